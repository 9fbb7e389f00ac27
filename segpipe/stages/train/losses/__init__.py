"""Losses on arrays: nothing here reads files."""
