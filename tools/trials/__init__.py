"""Trials of robustness. Each module does one kind: `options(parser)` says what it takes, `measure(given)` does it."""
