"""`segpipe bundle` and `segpipe apply`: the model of a run in a file, and new images by it."""
