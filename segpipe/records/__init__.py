"""the nouns. Small frozen dataclasses that check themselves."""
