"""Entra on the laptop: who a caller is, how it proves that, the tokens that are issued and checked."""
