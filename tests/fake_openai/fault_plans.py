"""When a fault happens: scripted by request number, by what a request says, or drawn from a seed."""

import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import orjson

from fake_openai.faults import Fault
from fake_openai.payloads import Body


@dataclass(frozen=True, slots=True)
class Occasion:
    """One request that could meet a fault.

    `index` is its `Received.index`; `attempt` counts from 1 the requests with the same path and body;
    `key` is the digest of both, whatever the order of the body's keys.
    """

    index: int
    attempt: int
    path: str
    body: Body
    key: str


Decide = Callable[[Occasion], Fault | None]


class FaultPlan:
    """A decision for each occasion. Plans add up with `|`: the first that gives a fault wins."""

    def __init__(self, decide: Decide) -> None:
        self._decide = decide
        self._attempts: Counter[str] = Counter()

    def fault(self, index: int, path: str, body: Body, key: str) -> Fault | None:
        """Count the attempt and decide."""
        self._attempts[key] += 1
        return self._decide(Occasion(index, self._attempts[key], path, body, key))

    def reset(self) -> None:
        """Forget the attempts."""
        self._attempts.clear()

    def __or__(self, other: "FaultPlan") -> "FaultPlan":
        return FaultPlan(lambda occasion: self._decide(occasion) or other._decide(occasion))

    def on(self, path: str) -> "FaultPlan":
        """The same plan for paths that start so (`/v1/chat`) only."""
        return FaultPlan(lambda occasion: self._decide(occasion) if occasion.path.startswith(path) else None)

    @staticmethod
    def of(faults: "FaultsLike") -> "FaultPlan":
        """From any spelling: a plan, faults by request index, or a function of (index, attempt)."""
        if isinstance(faults, FaultPlan):
            return faults
        if callable(faults):
            return FaultPlan(lambda occasion: faults(occasion.index, occasion.attempt))
        return FaultPlan(lambda occasion: faults[occasion.index] if occasion.index < len(faults) else None)

    @staticmethod
    def always(fault: Fault) -> "FaultPlan":
        return FaultPlan(lambda _: fault)

    @staticmethod
    def attempts(*faults: Fault | None) -> "FaultPlan":
        """Every request meets these on its first, second, … attempt, then none."""
        return FaultPlan(lambda occasion: _nth(faults, occasion.attempt))

    @staticmethod
    def matching(text: str, *faults: Fault | None, always: bool = False) -> "FaultPlan":
        """`attempts` for requests whose JSON holds `text`; with `always` the last is repeated."""

        def decide(occasion: Occasion) -> Fault | None:
            if text not in orjson.dumps(occasion.body).decode():
                return None
            return _nth(faults, min(occasion.attempt, len(faults)) if always else occasion.attempt)

        return FaultPlan(decide)

    @staticmethod
    def seeded(
        seed: int, share: float, kinds: Sequence[str | Fault], only_first_attempts: int | None = 1
    ) -> "FaultPlan":
        """That share of the distinct requests fails, on the first attempts (None: on every one).

        Which ones, and how, depends on the seed, the body and the attempt alone: the same sample meets
        the same faults in any order, at any concurrency.
        """
        menu = [Fault.named(kind) if isinstance(kind, str) else kind for kind in kinds]

        def decide(occasion: Occasion) -> Fault | None:
            if only_first_attempts is not None and occasion.attempt > only_first_attempts:
                return None
            if random.Random(f"{seed}:{occasion.key}").random() >= share:
                return None
            return random.Random(f"{seed}:{occasion.key}:{occasion.attempt}").choice(menu)

        return FaultPlan(decide)


def _nth(faults: Sequence[Fault | None], attempt: int) -> Fault | None:
    return faults[attempt - 1] if attempt <= len(faults) else None


FaultsLike = FaultPlan | Sequence[Fault | None] | Callable[[int, int], Fault | None]
