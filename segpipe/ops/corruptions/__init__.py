"""Image corruptions of known strength, and the way back to original pixels."""
