"""How far a run is: a bar on a terminal, now and then a line elsewhere."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from evalkit.client.base import Prices
    from evalkit.runner import Progress

LINES = 10  # plain lines in a run, at the most
QUIET_SECONDS = 2.0  # between plain lines


class ProgressView:
    """A listener for the runner; nothing is shown for a run that needs no request."""

    def __init__(self, title: str, prices: Prices | None = None) -> None:
        self._title = title
        self._prices = prices
        self._started = time.monotonic()
        self._bar: Any = None
        self._task: Any = None
        self._last_line = 0.0
        self._last_tenth = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def __call__(self, progress: Progress) -> None:
        """Take in how far the run is."""
        if progress.cached == progress.done and progress.done < progress.total:
            return  # still reading the cache
        if progress.cached == progress.total:
            return
        if sys.stderr.isatty():
            self._show_bar(progress)
        else:
            self._show_line(progress)

    def _show_bar(self, progress: Progress) -> None:
        if self._bar is None:
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
            from rich.progress import Progress as Bar

            self._bar = Bar(
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TextColumn("{task.fields[facts]}"),
                TimeRemainingColumn(),
                console=Console(stderr=True),
                transient=True,
            )
            self._task = self._bar.add_task(self._title, total=progress.total, facts="")
            self._bar.start()
        self._bar.update(self._task, completed=progress.done, facts=self._facts(progress))

    def _show_line(self, progress: Progress) -> None:
        now = time.monotonic()
        tenth = LINES * progress.done // progress.total
        if tenth > self._last_tenth and (now - self._last_line > QUIET_SECONDS or tenth == LINES):
            self._last_tenth, self._last_line = tenth, now
            share = progress.done / progress.total
            left = (now - self._started) * (1 - share) / share
            done = f"{progress.done}/{progress.total}"
            print(f"{self._title}: {done}, {self._facts(progress)}, {left:.0f} s left", file=sys.stderr)

    def _facts(self, progress: Progress) -> str:
        facts = [f"{progress.cached} cached", f"{progress.failed} failed"]
        facts.append(f"{progress.prompt_tokens + progress.completion_tokens} tokens")
        if self._prices is not None and self._prices.output:
            from evalkit.budget import price
            from evalkit.records import Usage

            usage = Usage(progress.prompt_tokens, progress.completion_tokens)
            facts.append(f"{price(usage, self._prices):.4f} USD")
        return ", ".join(facts)
