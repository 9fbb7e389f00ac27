"""Image to features to codes to probabilities to mask: the path that stages and commands share."""
