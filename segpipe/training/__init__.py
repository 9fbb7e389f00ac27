"""Making heads: one loop for every method, corrections of collapsed ones, and the choice between candidates."""
