"""The way in: one port on loopback, TLS with leaves of our own authority, and where each host leads."""
