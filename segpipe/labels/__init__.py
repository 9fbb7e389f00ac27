"""The only readers of labels: label maps, points, encodings, published sets, counting."""
