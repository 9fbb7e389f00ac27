"""Kills before file-system events: what a command leaves at each of them, and what the same command makes of it."""
