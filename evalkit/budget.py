"""What requests cost, and how much of it a run may spend.

Before each attempt its worst case is set aside: the prompt, and as many tokens as its answers may have. What
was used then takes its place. So requests in flight together can never spend more than there is.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from evalkit.client.base import Prices
from evalkit.records import Request, Usage
from evalkit.tokens import estimate

MILLION = 1_000_000
NOTHING = Usage()
ROUNDING = 1e-12  # US dollars; sums of floats may miss a limit by less


def price(usage: Usage, prices: Prices, *, batch: bool = False) -> float:
    """US dollars; cached prompt tokens at their own price where there is one, a batch with its discount."""
    cached_price = prices.input if prices.cached_input is None else prices.cached_input
    fresh = max(0, usage.prompt - usage.cached)
    full = (fresh * prices.input + usage.cached * cached_price + usage.completion * prices.output) / MILLION
    return full * (1.0 - (prices.batch_discount or 0.0)) if batch else full


def add(one: Usage, other: Usage) -> Usage:
    """Return the tokens of both."""
    return Usage(
        one.prompt + other.prompt,
        one.completion + other.completion,
        one.cached + other.cached,
        one.reasoning + other.reasoning,
    )


@dataclass
class Budget:
    """What a run has spent, and may: `usd` US dollars and `tokens` (prompts and answers); None has no limit.

    `max_output` bounds an answer whose request sets no limit. Every attempt is told, also without limits: so
    the cost of attempts that gave no answer is known. Lives in one event loop.
    """

    prices: Prices | None = None
    usd: float | None = None
    tokens: int | None = None
    max_output: int | None = None
    batch: bool = False
    count: Callable[[Request], tuple[int, int]] = estimate
    used: Usage = NOTHING
    """Tokens that servers said were used."""
    unknown: Usage = NOTHING
    """The worst case of attempts that may have been charged and of which no server told the usage."""
    unknown_attempts: int = 0
    refused: Usage | None = None
    """The worst case of the last request that the rest did not cover."""

    def __post_init__(self) -> None:
        self._reserved = NOTHING
        self._worst: dict[str, Usage] = {}  # by request: who waits for the rest asks again and again

    @property
    def limited(self) -> bool:
        """Whether anything can be refused."""
        return self.usd is not None or self.tokens is not None

    @property
    def spent(self) -> Usage:
        """Tokens used, with the worst case where nobody told."""
        return add(self.used, self.unknown)

    def reserve(self, request: Request) -> bool:
        """Set the worst case of one attempt aside; False, and nothing set aside, when that is too much."""
        if not self.limited:
            return True
        worst = self.worst(request)
        taken = add(add(self.spent, self._reserved), worst)
        if not self._covers(taken):
            self.refused = worst
            return False
        self._reserved = add(self._reserved, worst)
        return True

    def settle(self, request: Request, usage: Usage | None) -> None:
        """Replace what was set aside by what was used; None where nobody knows: the worst case stays."""
        if self.limited:
            worst = self.worst(request)
            self._reserved = Usage(
                self._reserved.prompt - worst.prompt, self._reserved.completion - worst.completion
            )
        if usage is None:
            self.unknown = add(self.unknown, self.worst(request))
            self.unknown_attempts += 1
        else:
            self.used = add(self.used, usage)
        self._worst.pop(request.key, None)

    def worst(self, request: Request) -> Usage:
        """Return the most tokens that one attempt may use."""
        found = self._worst.get(request.key)
        if found is None:
            prompt, completion = self.count(request)
            found = Usage(prompt, completion or (self.max_output or 0) * request.choices)
            self._worst[request.key] = found
        return found

    def cost(self, usage: Usage) -> float | None:
        """US dollars of these tokens; None where no price is known."""
        return None if self.prices is None else price(usage, self.prices, batch=self.batch)

    def facts(self) -> dict[str, Any]:
        """Return what the report says beside the cost of the answers."""
        return {
            "unknown_attempts": self.unknown_attempts,
            "unknown_usd": self.cost(self.unknown),
            "budget": {"usd": self.usd, "tokens": self.tokens} if self.limited else None,
        }

    def _covers(self, usage: Usage) -> bool:
        if self.tokens is not None and usage.prompt + usage.completion > self.tokens:
            return False
        cost = self.cost(usage)
        return self.usd is None or cost is None or cost <= self.usd + ROUNDING
