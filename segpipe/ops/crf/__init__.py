"""Dense conditional random field: permutohedral lattice and mean field."""
