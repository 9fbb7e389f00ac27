"""Accuracy, IoU, matching and supervised probes, from counts and vectors."""
