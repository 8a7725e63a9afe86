"""Which deployments of an endpoint have served: what a rollback goes back to, and what is kept. Pure."""

from __future__ import annotations

from dataclasses import dataclass

REMEMBERED = 7  # deployments: a tag of Azure's has at most 256 characters, a deployment's name 32


@dataclass(frozen=True)
class History:
    """``earlier`` served before ``serving``, the latest first, and may be gone by now; ``left`` are those of them that a rollback
    went back from: no other goes back to them."""

    serving: str | None = None
    earlier: tuple[str, ...] = ()
    left: frozenset[str] = frozenset()

    @property
    def served(self) -> tuple[str, ...]:
        return (self.serving, *self.earlier) if self.serving else self.earlier

    @property
    def before(self) -> tuple[str, ...]:
        """What a rollback may go back to, the latest first."""
        return tuple(name for name in self.earlier if name not in self.left)

    def then(self, name: str) -> History:
        """``name`` serves now: it was published, or gone forward to."""
        earlier = tuple(other for other in self.served if other != name)[: REMEMBERED - 1]
        return History(name, earlier, self.left & set(earlier))

    def back(self, name: str) -> History:
        """``name`` serves again, and what served after it is left; one that was left itself is gone forward to."""
        later = self.served[: self.served.index(name)] if name in self.before else ()
        return History(self.serving, self.earlier, self.left | set(later)).then(name)
