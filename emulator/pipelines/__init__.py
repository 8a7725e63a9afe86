"""Pipelines: jobs made of steps. What one may ask for, how its steps connect, and who runs them in which order."""
