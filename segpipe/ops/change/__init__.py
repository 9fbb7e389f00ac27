"""Change between two dates, on arrays: differences of cover, shifts of rasters, transitions, drift of features."""
