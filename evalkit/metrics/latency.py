"""Latency of answers: mean and percentiles of the seconds that they took when they were asked."""

from __future__ import annotations

import re
from collections.abc import Sequence
from statistics import fmean
from typing import TYPE_CHECKING, ClassVar

from evalkit.errors import MetricError
from evalkit.later import np
from evalkit.metrics.base import Metric, options_text
from evalkit.metrics.weighted import weighted_quantiles
from evalkit.records import Generation, Sample

if TYPE_CHECKING:
    from evalkit.metrics.base import FloatArray

DEFAULT_TYPES = ("mean", "p50", "p95", "first_token_p50")
_FIRST = "first_token_"
_TYPE = re.compile(rf"(?:{_FIRST})?(?:mean|p[0-9]{{1,2}})")
_DIGITS = 6  # of seconds, as samples.jsonl holds them: scored again they are the same


class Latency(Metric):
    """Seconds from sending a request to its whole answer, and to its first token where it was streamed.

    `types`: of mean, p50, p95, … (percentiles p0 to p99), and the same of the time to the first token with
    `first_token_` before them. They give `latency_mean`, `latency_p95`, `time_to_first_token_p50`, …
    Percentiles are `numpy.quantile`'s (linear), as in the report's timing. An answer from the cache took what
    it took when it was asked; one whose time nobody took (recorded outputs) is left out, and a value is NaN
    where none is left. Of several trials of a sample, and of several turns of a conversation, the mean
    counts. `latency_p95` gates where no other name is given.
    """

    higher_is_better: ClassVar[bool] = False
    maximum: ClassVar[float] = 100.0
    unit: ClassVar[str | None] = "s"
    needs_target = False

    def __init__(self, *, types: Sequence[str] = DEFAULT_TYPES) -> None:
        self.types = (types,) if isinstance(types, str) else tuple(types)
        if not self.types or len(set(self.types)) < len(self.types):
            raise MetricError(f"latency: types must name at least one type and none twice, not {list(types)}")
        for name in self.types:
            if not _TYPE.fullmatch(str(name)):
                raise MetricError(
                    f'latency: unknown type "{name}"; use mean, p50, p95 (p0 to p99), first_token_p50'
                )
        self.names = tuple(_name(one) for one in self.types)

    @property
    def signature(self) -> str:
        """For example `types:mean,p50,p95,first_token_p50|quantile:linear`."""
        return options_text({"types": ",".join(self.types), "quantile": "linear"})

    @property
    def headline(self) -> tuple[str, ...]:
        """p95 where it is among the values, else the first: one figure of speed gates, not all of them."""
        return ("latency_p95",) if "latency_p95" in self.names else self.names[:1]

    def statistics(
        self,
        generations: Sequence[Generation],
        samples: Sequence[Sample],  # noqa: ARG002
    ) -> FloatArray:
        """Return (n, 4): seconds, 1 where known; seconds to the first token, 1 where known."""
        rows = np.zeros((len(generations), 4))
        for row, generation in zip(rows, generations, strict=True):
            replies = (*generation.earlier, generation.response)
            for place, name in ((0, "latency"), (2, "time_to_first_token")):
                known = [seconds for one in replies if (seconds := getattr(one, name)) is not None]
                if known:
                    row[place : place + 2] = fmean(round(seconds, _DIGITS) for seconds in known), 1.0
        return rows

    def combine(self, trials: FloatArray) -> FloatArray:
        """Average the trials whose time is known."""
        known = trials[:, [1, 3]].sum(axis=0)
        seconds = (trials[:, [0, 2]] * trials[:, [1, 3]]).sum(axis=0) / np.maximum(known, 1.0)
        return np.array([seconds[0], float(known[0] > 0), seconds[1], float(known[1] > 0)])

    def aggregate(self, statistics: FloatArray, weights: FloatArray) -> FloatArray:
        """Return (r, names): weighted means and order statistics of the samples whose time is known."""
        values = np.full((len(weights), len(self.types)), np.nan)
        for place, name in enumerate(self.types):
            column = 2 if name.startswith(_FIRST) else 0
            known = statistics[:, column + 1] > 0
            seconds, counted = statistics[known, column], weights[:, known]
            kind = name.removeprefix(_FIRST)
            if kind == "mean":
                total = counted.sum(axis=1)
                values[:, place] = np.divide(
                    counted @ seconds, total, out=np.full(len(total), np.nan), where=total > 0
                )
            else:
                values[:, place] = weighted_quantiles(seconds, counted, (int(kind[1:]) / 100,))[:, 0]
        return values

    def explain(self, generation: Generation, sample: Sample) -> str | None:  # noqa: ARG002
        """For example `1.2 s, first token after 0.3 s`."""
        response = generation.response
        if response.latency is None:
            return "the time was not taken"
        first = response.time_to_first_token
        told = "" if first is None else f", first token after {first:.3g} s"
        return f"{response.latency:.3g} s{told}"


def _name(kind: str) -> str:
    first = kind.startswith(_FIRST)
    return f"{'time_to_first_token' if first else 'latency'}_{kind.removeprefix(_FIRST)}"
