"""A language server: what is wrong with the texts that an editor has open, and what mends it."""
