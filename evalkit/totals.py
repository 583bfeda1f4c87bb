"""Counts over all requests of a run as their outcomes come: answers, tokens, waiting."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterable

from evalkit.outcomes import Seen
from evalkit.records import Outcome, Response, Usage

TIMES = ("latency", "time_to_first_token")


class Totals:
    """What a report says of a run's requests, those of all turns of a conversation.

    `latencies` are quantiles of the seconds that answers took when they were asked, known once all are
    there; empty when none is known.
    """

    def __init__(self) -> None:
        self.requests = self.answered = self.cached = self.cut_off = self.refused = self.fresh = 0
        self.failures: Counter[str] = Counter()
        self.served: Counter[str] = Counter()
        self.fingerprints: Counter[str] = Counter()
        self.tokens = Tokens()
        self.latencies: dict[str, float] = {}
        self._times = {name: array("d") for name in TIMES}

    def add(self, outcome: Outcome, *, shared: bool | None = None) -> None:
        """Take in what became of one request.

        `shared` says whether its answer is that of an equal one before it; None where nobody knows.
        """
        self.requests += 1
        self.cached += outcome.cached
        if outcome.failure is not None:
            self.failures[outcome.failure.kind] += 1
        if outcome.response is not None:
            self.answered += 1
            self.fresh += not outcome.cached
            self._answer(outcome.response)
            if not shared:
                self.tokens.add(outcome, alone=shared is not None)

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

    def complete(self) -> None:
        """No more come: what the quantiles of times are made of is let go."""
        import numpy as np

        for name, known in self._times.items():
            if known:
                middle, late = np.quantile(known, [0.5, 0.95]).tolist()
                self.latencies |= {f"{name}_p50": round(middle, 6), f"{name}_p95": round(late, 6)}
        self._times = {}

    def _answer(self, response: Response) -> None:
        self.cut_off += response.finish_reason == "length"
        self.refused += bool(response.refusal)
        if response.model is not None:
            self.served[response.model] += 1
        if response.system_fingerprint is not None:
            self.fingerprints[response.system_fingerprint] += 1
        if response.latency is not None:
            self._times["latency"].append(response.latency)
        if response.time_to_first_token is not None:
            self._times["time_to_first_token"].append(response.time_to_first_token)


class Tokens:
    """Adds up the tokens of answers, those of each request once: samples that asked the same share an answer.

    Of several choices of one request, the first alone has its usage.
    """

    def __init__(self, outcomes: Iterable[Outcome] = ()) -> None:
        self._seen = Seen()
        self._all, self._fresh = [0, 0, 0, 0], [0, 0, 0, 0]
        for one in outcomes:
            self.add(one)

    def add(self, outcome: Outcome, *, alone: bool = False) -> None:
        """Take in an outcome; without an answer, or one whose usage is not told, it adds nothing.

        Of equal requests the one that was asked comes before those that share its answer; `alone` says that
        none does.
        """
        if outcome.response is None or outcome.response.usage is None:
            return
        if not (alone or self._seen.add(outcome.request_key)):
            return
        usage = outcome.response.usage
        for sums in (self._all,) if outcome.cached else (self._all, self._fresh):
            sums[0] += usage.prompt
            sums[1] += usage.completion
            sums[2] += usage.cached
            sums[3] += usage.reasoning

    def total(self, *, fresh: bool = False) -> Usage:
        """Return the sums; with `fresh` without the answers that came from the cache."""
        return Usage(*(self._fresh if fresh else self._all))
