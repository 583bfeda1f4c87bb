"""A run's budget, shared by requests in flight that may give back part of what they set aside."""

from __future__ import annotations

import asyncio

from evalkit.executors.base import Budget
from evalkit.records import Request, Usage


class Purse:
    """Sets the worst case of each attempt aside; with too little left, waits for what others give back."""

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._open = 0
        self._change = asyncio.Event()
        self.empty = False

    async def afford(self, request: Request) -> bool:
        """Return whether an attempt may be sent; once refused, none may."""
        while not self.empty:
            if self._budget.reserve(request):
                self._open += 1
                return True
            if not self._open:
                self.empty = True
                break
            self._change.clear()
            await self._change.wait()
        return False

    def settle(self, request: Request, usage: Usage | None) -> None:
        """Say what an attempt used."""
        self._open -= 1
        self._budget.settle(request, usage)
        self._change.set()
