"""Azure on the laptop: real clients' traffic, answered here.

from emulator import Emulator

with Emulator("state") as azure:
    os.environ.update(azure.environment())   # any client of Azure, unmodified, now speaks to the emulator
"""

from emulator.handle import Emulator, Settings

__all__ = ["Emulator", "Settings"]
