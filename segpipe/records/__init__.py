"""Records: small frozen dataclasses that check themselves."""
