"""Runs asynchronous work for a caller that is not: also in a notebook, where an event loop already runs."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any, TypeVar

T = TypeVar("T")


def run_to_end(work: Coroutine[Any, Any, T]) -> T:
    """Return what the work returns; an interrupt ends it in good order first."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(work)
    return _in_a_thread(work)


def _in_a_thread(work: Coroutine[Any, Any, T]) -> T:
    running: list[tuple[asyncio.AbstractEventLoop, asyncio.Task[T]]] = []

    async def noted() -> T:
        task = asyncio.current_task()
        assert task is not None
        running.append((asyncio.get_running_loop(), task))
        return await work

    with ThreadPoolExecutor(1, "evalkit-run") as pool:
        done = pool.submit(asyncio.run, noted())
        try:
            return done.result()
        except BaseException:
            for loop, task in running:
                with suppress(RuntimeError):  # the loop is closed: the work has ended by itself
                    loop.call_soon_threadsafe(task.cancel)
            raise
