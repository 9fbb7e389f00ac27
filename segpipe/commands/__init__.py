"""One room per command that is no stage."""
