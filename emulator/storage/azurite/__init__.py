"""Azurite, the vendor's own blob service, as a durable child process.

``main.js`` says what is set from outside of it, ``journal.js`` how it is made durable, ``process`` how it lives.
"""

from emulator.storage.azurite.process import Azurite

__all__ = ["Azurite"]
