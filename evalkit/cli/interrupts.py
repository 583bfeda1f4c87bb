"""Ctrl-C and termination: the first stops sending, the second ends the process."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import FrameType

    from evalkit.executors.halt import Halt

SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def heeding(halt: Halt) -> Iterator[None]:
    """Within, the first SIGINT or SIGTERM asks for a halt; any other is a KeyboardInterrupt.

    So is the first where nothing is being sent. A signal that the process was started to ignore (nohup, a
    shell's background job) stays ignored. Outside the main thread nothing changes.
    """

    def on_signal(_number: int, _frame: FrameType | None) -> None:
        if not halt.ask():
            raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {one: signal.getsignal(one) for one in SIGNALS}
    ours = [one for one, handler in before.items() if handler not in (signal.SIG_IGN, None)]
    for one in ours:
        signal.signal(one, on_signal)
    try:
        yield
    finally:
        for one in ours:
            signal.signal(one, before[one])
