"""`segpipe robustness`: how far the masks of a run stay the same under image corruptions."""
