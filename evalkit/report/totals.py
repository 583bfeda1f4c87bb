"""Counts over all requests of a run: answers, tokens, waiting; one pass over the outcomes."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterable
from dataclasses import fields

from evalkit.outcomes import Keys
from evalkit.records import Outcome, Response, Usage

TIMES = ("latency", "time_to_first_token")


class Totals:
    """What a report says of a run's requests, those of all turns of a conversation."""

    def __init__(self, outcomes: Iterable[Outcome]) -> None:
        self.requests = self.answered = self.cached = self.cut_off = self.refused = 0
        self.failures: Counter[str] = Counter()
        self.served: Counter[str] = Counter()
        self.fingerprints: Counter[str] = Counter()
        self._times = {name: array("d") for name in TIMES}
        self._tokens = Tokens()
        for outcome in outcomes:
            if outcome.failure is not None:
                self.failures[outcome.failure.kind] += 1
            for turn in outcome.turns:
                self._add(turn)

    @property
    def usage(self) -> Usage:
        """Tokens of all answers, cached ones included; samples that asked the same share an answer."""
        return self._tokens.total()

    @property
    def fresh(self) -> Usage:
        """Tokens of the answers that did not come from the cache."""
        return self._tokens.total(fresh=True)

    @property
    def counts(self) -> dict[str, int]:
        """Requests by what became of them."""
        return {
            "requests": self.requests,
            "answered": self.answered,
            "failed": self.requests - self.answered,
            "cached": self.cached,
            "cut_off": self.cut_off,
            "refused": self.refused,
        }

    @property
    def latencies(self) -> dict[str, float]:
        """Quantiles of the seconds that answers took when they were asked; nothing when none is known."""
        import numpy as np

        found: dict[str, float] = {}
        for name, known in self._times.items():
            if known:
                middle, late = np.quantile(known, [0.5, 0.95]).tolist()
                found |= {f"{name}_p50": round(middle, 6), f"{name}_p95": round(late, 6)}
        return found

    def _add(self, turn: Outcome) -> None:
        self.requests += 1
        self.cached += turn.cached
        if turn.response is not None:
            self.answered += 1
            self._answer(turn.response)
            self._tokens.add(turn)

    def _answer(self, response: Response) -> None:
        self.cut_off += response.finish_reason == "length"
        self.refused += bool(response.refusal)
        if response.model is not None:
            self.served[response.model] += 1
        if response.system_fingerprint is not None:
            self.fingerprints[response.system_fingerprint] += 1
        for name, known in self._times.items():
            seconds = getattr(response, name)
            if seconds is not None:
                known.append(seconds)


class Tokens:
    """Adds up the tokens of answers, those of each request once.

    Of several choices of one request, the first alone has its usage.
    """

    def __init__(self, outcomes: Iterable[Outcome] = ()) -> None:
        self._keys = Keys()
        self._numbers = array("q")
        self._fresh = bytearray()
        for one in outcomes:
            self.add(one)

    def add(self, outcome: Outcome) -> None:
        """Take in an outcome; without an answer, or one whose usage is not told, it adds nothing."""
        if outcome.response is None or outcome.response.usage is None:
            return
        self._keys.add(outcome.request_key)
        usage = outcome.response.usage
        self._numbers.extend((usage.prompt, usage.completion, usage.cached, usage.reasoning))
        self._fresh.append(not outcome.cached)

    def total(self, *, fresh: bool = False) -> Usage:
        """Return the sums; with `fresh` without the answers that came from the cache."""
        import numpy as np

        if not self._numbers:
            return Usage()
        numbers = np.array(self._numbers).reshape(-1, len(fields(Usage)))
        places = np.flatnonzero(self._fresh) if fresh else np.arange(len(numbers))
        once = places[self._keys.firsts(places) == np.arange(len(places))]
        return Usage(*numbers[once].sum(axis=0).tolist())
