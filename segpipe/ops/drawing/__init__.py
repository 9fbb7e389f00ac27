"""Drawn pictures with exact labels, for the demonstration, the tests, and where no images are given."""
