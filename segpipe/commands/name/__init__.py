"""`segpipe name`: names, merges and splits of the clusters of a run."""
