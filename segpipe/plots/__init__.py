"""Figures: arrays and records in, PNG or SVG bytes out."""
