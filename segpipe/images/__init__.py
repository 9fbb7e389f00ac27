"""Files in: listing, headers, readers, mosaics, video, frames."""
