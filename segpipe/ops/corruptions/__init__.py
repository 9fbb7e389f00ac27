"""Image corruptions of known strength, and the way back to undisturbed pixels."""
