"""What happens on several agents side by side, told by name: whoever asks for something waits until it has happened."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from typing import Any

SECONDS = 400.0


class Story:
    """``tell`` starts what happens on one agent, in order: names, and what came of each. ``story[name]`` is that; it raises what
    ended the telling before it came so far."""

    def __init__(self) -> None:
        self._told: dict[str, Any] = {}
        self._broke: BaseException | None = None
        self._over = False
        self._changed = threading.Condition()
        self._tellers: list[threading.Thread] = []

    def tell(self, happening: Iterable[tuple[str, Any]]) -> None:
        teller = threading.Thread(target=self._tell, args=(iter(happening),))
        self._tellers.append(teller)
        teller.start()

    def __getitem__(self, name: str) -> Any:
        with self._changed:
            self._changed.wait_for(lambda: name in self._told or self._broke, SECONDS)
            if name not in self._told and self._broke:
                raise self._broke
            assert name in self._told, f"'{name}' has not happened in {SECONDS} s."
            return self._told[name]

    def end(self) -> None:
        """What is happening ends; nothing that comes after it is begun."""
        self._over = True
        for teller in self._tellers:
            teller.join()

    def _tell(self, happening: Iterator[tuple[str, Any]]) -> None:
        try:
            for name, what in happening:
                with self._changed:
                    self._told[name] = what
                    self._changed.notify_all()
                if self._over:
                    break
        except BaseException as error:  # noqa: B902, B036 - raised where somebody waits for what comes after it
            with self._changed:
                self._broke = error
                self._changed.notify_all()
