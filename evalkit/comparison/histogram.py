"""Latency and cost as coarse histograms: enough to see a change, too coarse to change with every run."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping

STEPS = 10  # bins a decade, each 26% wide: Renard's R10 series of preferred numbers
SLACK = 1e-9  # keeps a value that lies on an edge in its bin, whatever the logarithm's last digit


def histogram(values: Iterable[float]) -> dict[str, int]:
    """Count values, 0 or above, by the upper edge of their bin, in order; the edge has two digits."""
    found = Counter(_step(value) for value in values)
    return {_edge(step): found[step] for step in sorted(found)}


def quantile(counts: Mapping[str, int], share: float) -> float | None:
    """Return the upper edge of the bin in which that share of the values is reached; None when empty."""
    needed = share * sum(counts.values())
    reached = 0
    for edge, count in counts.items():
        reached += count
        if reached >= needed:
            return float(edge)
    return None


def _step(value: float) -> float:
    """Return the bin's number; nothing at all has a bin of its own, below all others."""
    return -math.inf if value <= 0 else math.ceil(STEPS * math.log10(value) - SLACK)


def _edge(step: float) -> str:
    return "0" if step == -math.inf else f"{float(f'{10 ** (step / STEPS):.2g}'):g}"
