"""The wish that a run sends nothing more: of a signal handler or another thread, heard in the run's loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial


class Halt:
    """Asked for once; heeded by whoever listens at that moment, and by all who listen later."""

    def __init__(self) -> None:
        self.asked = False
        self._listening: list[Callable[[], object]] = []

    def ask(self) -> bool:
        """Ask to send nothing more; False when nothing is being sent that could stop, or it was asked before.

        May be called from a signal handler.
        """
        if self.asked or not self._listening:
            return False
        self.asked = True
        for tell in self._listening:
            tell()
        return True

    @contextmanager
    def heard(self, stop: Callable[[], None]) -> Iterator[None]:
        """Within, `stop` is called in the running event loop when the wish is uttered; at once if it was."""
        tell = partial(asyncio.get_running_loop().call_soon_threadsafe, stop)
        self._listening.append(tell)
        if self.asked:
            stop()
        try:
            yield
        finally:
            self._listening.remove(tell)
