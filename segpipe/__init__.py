"""segpipe: from a folder of images and not one label to class maps."""

__version__ = "0.1.0"
