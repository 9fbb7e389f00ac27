"""A run in Python: its images, arrays, tables and pictures, read as they are asked for. Nothing is written.

run      `Run`, what a user holds
reader   opens artefacts, and says in one line what is missing or damaged
arrays   features, codes, masks and probabilities of one image
tables   images, classes, cover and scores as rows
maps_figure   photographs beside their class maps
page     a run as a notebook shows it
"""

from segpipe.results.run import Run

__all__ = ["Run"]
