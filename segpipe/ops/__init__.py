"""Compute on arrays: losses, search, clustering, CRF, metrics. Knows nothing of files."""
