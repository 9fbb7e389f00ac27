"""`segpipe similar`: image and patch retrieval in a run."""
