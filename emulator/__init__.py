"""Azure on the laptop: real clients' traffic, answered here."""
