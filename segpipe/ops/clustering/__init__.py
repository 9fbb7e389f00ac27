"""Nearest neighbors, k-means, linkage, and what tells how good a clustering is."""
