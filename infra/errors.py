"""Everything that goes wrong with a stack, as one closed family. ``next`` is what to do about it.

StackError
  ConfigError        the stack's configuration cannot be used: every key that is wrong is named, with what it takes
  TableError         a resource or function that infra/table.py does not have, or an argument that its path needs
  NotTheEmulator     Azure's hosts are not answered by the emulator from here
  EngineError        the Pulumi engine, or something that it needs, is missing, too old or not told
  PlanError          a plan that is none, that would lose something, or that is not what was reviewed any more
  ApplyError         a resource was refused; what was sent before stays, and the next apply goes on from there
"""

from __future__ import annotations


class StackError(Exception):
    def __init__(self, message: str, next: str | None = None) -> None:
        super().__init__(message)
        self.next = next


class ConfigError(StackError):
    """Raised before any resource."""


class TableError(StackError):
    pass


class NotTheEmulator(StackError):
    """Raised before anything is sent."""


class EngineError(StackError):
    pass


class PlanError(StackError):
    """Raised before anything is changed."""


class ApplyError(StackError):
    pass
