"""Labels carried from frame to frame by the likeness of patch features."""
