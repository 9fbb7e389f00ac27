"""Records to files and back. Knows nothing of models."""
