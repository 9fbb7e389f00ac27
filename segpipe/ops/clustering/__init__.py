"""Clustering: nearest neighbors, k-means, linkage, and scores of a clustering."""
