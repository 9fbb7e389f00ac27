"""`segpipe demo`: a small synthetic reef with exact labels."""
