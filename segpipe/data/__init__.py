"""Images and labels from a user's files."""
