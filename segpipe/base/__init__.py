"""Base: errors, settings, geometry, files, runtime. Knows nothing of images or models."""
