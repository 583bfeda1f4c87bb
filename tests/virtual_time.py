"""An event loop whose clock jumps to the next thing that is due: hours pass in milliseconds.

For work without sockets or threads. `asyncio.sleep`, time-outs and `loop.time()` all go by this clock, so
that many tasks wait side by side as they would in real time.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class _Jumping(selectors.SelectSelector):
    """Instead of waiting for sockets, the time that the loop would wait passes at once."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise RuntimeError("everything waits for something that will never come")
        self.now += max(0.0, timeout)
        return super().select(0)


class _Loop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._jumping = _Jumping()
        super().__init__(self._jumping)

    def time(self) -> float:
        return self._jumping.now


def clock() -> float:
    """Seconds of the running loop."""
    return asyncio.get_running_loop().time()


def run_virtually(work: Coroutine[Any, Any, T]) -> T:
    """Run to the end; RuntimeError where a real run would hang for ever."""
    with asyncio.Runner(loop_factory=_Loop) as runner:
        return runner.run(work)
