"""Formulas of pretraining on tensors, and what shows without labels whether features are any good."""
