"""How masks leave a run: one module per kind of file, one function per format; the table is in `stages.export`."""
