"""Regions, outlines and run lengths of class maps, as arrays."""
