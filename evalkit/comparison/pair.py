"""Two sides -> aligned statistics, by sample id with the content checked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from evalkit.comparison.base import Measured, Side
from evalkit.comparison.effect import Pairs
from evalkit.statistics.cluster import number_groups

if TYPE_CHECKING:
    from evalkit.metrics.base import FloatArray, Metric

NAMED = 5


@dataclass(frozen=True)
class Match:
    """Which samples both sides have with the same content, in the baseline's order, and which not."""

    common: Sequence[str]
    missing: Sequence[str]
    extra: Sequence[str]
    changed: Sequence[str]

    @property
    def problem(self) -> str | None:
        """One sentence on what does not match; None when everything does."""
        if not self.common:
            return "the two sides share no sample with the same content; run both on the same dataset version"
        parts = [
            f"{len(some)} {what} ({', '.join(some[:NAMED])}{', …' if len(some) > NAMED else ''})"
            for some, what in (
                (self.missing, "samples missing from the candidate"),
                (self.extra, "samples that the baseline lacks"),
                (self.changed, "samples whose input or target changed"),
            )
            if some
        ]
        return " and ".join(parts) if parts else None


def match(baseline: Side, candidate: Side) -> Match:
    """Match samples by id; the same id with other content is no match."""
    both = [name for name in baseline.samples if name in candidate.samples]
    same = [name for name in both if baseline.samples[name].hash == candidate.samples[name].hash]
    kept = set(same)
    return Match(
        common=same,
        missing=[name for name in baseline.samples if name not in candidate.samples],
        extra=[name for name in candidate.samples if name not in baseline.samples],
        changed=[name for name in both if name not in kept],
    )


def pairs_of(
    metric: Metric, family: str, baseline: Side, candidate: Side, ids: Sequence[str], *, favour: int = 0
) -> Pairs | None:
    """Return the aligned statistics of these samples; None when there are none.

    With favour 0 samples without an answer on a side are left out. With -1 they count as badly for the
    candidate as they could have (its worst, the baseline's best), with +1 as well; a sample whose bounds are
    unknown is left out then too.
    """
    rows: list[tuple[FloatArray, FloatArray]] = []
    groups: list[str | None] = []
    single = True
    for name in ids:
        before, after = baseline.samples[name], candidate.samples[name]
        row = _row(metric, family, before, -favour), _row(metric, family, after, favour)
        if row[0] is None or row[1] is None:
            continue
        rows.append((row[0], row[1]))
        groups.append(before.group)
        single = single and all(len(one.rows.get(family, ())) <= 1 for one in (before, after))
    if not rows:
        return None
    return Pairs(
        np.stack([before for before, _ in rows]),
        np.stack([after for _, after in rows]),
        number_groups(groups) if any(group is not None for group in groups) else None,
        single,
    )


def _row(metric: Metric, family: str, one: Measured, favour: int) -> FloatArray | None:
    """Trials combined within the sample; a failed sample's bound when asked for."""
    rows = one.rows.get(family)
    if rows is not None and len(rows):
        return metric.combine(rows)
    if not favour or family not in one.bounds:
        return None
    worst, best = one.bounds[family]
    return best if favour > 0 else worst
