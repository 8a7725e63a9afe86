"""Azurite, the vendor's own blob service, as a durable child process: see ``main.js`` for what is set and ``process`` for its life."""

from emulator.azurite.process import Azurite

__all__ = ["Azurite"]
