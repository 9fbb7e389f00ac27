"""Floor 1: the nouns. Small frozen dataclasses that check themselves."""
