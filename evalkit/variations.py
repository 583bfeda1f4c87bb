"""Variations: the same sample asked in another form at each trial, such as its choices in another order.

In a config a variation is its name with options: `task.vary={permute: {field: choices}}`. Trials beyond the
forms there are begin again with the first, as further independent answers.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, ClassVar

from evalkit.errors import ConfigError, DatasetError
from evalkit.records import Sample

ORDER, SWAPPED = "order", "swapped"


class Variation:
    """A form of a sample for each trial."""

    name: ClassVar[str]

    def apply(self, sample: Sample, trial: int) -> Sample:
        """Return the sample as it is asked at a trial, what differs in `added`."""
        raise NotImplementedError


class Permute(Variation):
    """Another order of a list field: turned round by one place a trial, or shuffled by the sample's id.

    Turned round as often as there are elements, each stands at each place once. The first trial has the
    data's order, or with `start: shuffled` one drawn by the sample's id, for data in which the right element
    always stands at the same place. `added` holds the list, and as `order` the place that each had before.
    """

    name = "permute"

    def __init__(self, *, field: str, how: str = "rotate", start: str = "data") -> None:
        if how not in {"rotate", "shuffle"}:
            raise ConfigError(f'task.vary.permute.how is "rotate" or "shuffle", not {how!r}')
        if start not in {"data", "shuffled"}:
            raise ConfigError(f'task.vary.permute.start is "data" or "shuffled", not {start!r}')
        self._field, self._how, self._start = field, how, start

    def apply(self, sample: Sample, trial: int) -> Sample:
        """Return the sample with the list in the trial's order."""
        values = _field(sample, self._field, self.name)
        if isinstance(values, str) or not isinstance(values, Sequence):
            raise DatasetError(
                f'sample "{sample.id}": task.vary.permute needs a list in {self._field}, got {values!r}'
            )
        order = self._order(sample.id, len(values), trial)
        added = {self._field: [values[place] for place in order], ORDER: order}
        return replace(sample, added={**sample.added, **added})

    def _order(self, name: str, n: int, trial: int) -> list[int]:
        first = _drawn(name, n, 0) if self._start == "shuffled" else list(range(n))
        if not trial or not n:
            return first
        if self._how == "rotate":
            return [first[(place + trial) % n] for place in range(n)]
        return _drawn(name, n, trial)


class Swap(Variation):
    """Two fields exchanged at every second trial; `added` says as `swapped` whether they are."""

    name = "swap"

    def __init__(self, *, fields: Sequence[str]) -> None:
        if isinstance(fields, str) or len(fields) != 2:  # noqa: PLR2004
            raise ConfigError(f"task.vary.swap.fields must be two names, got {fields!r}")
        self._fields = tuple(fields)

    def apply(self, sample: Sample, trial: int) -> Sample:
        """Return the sample with the two fields in the trial's order."""
        first, second = (_field(sample, name, self.name) for name in self._fields)
        swapped = trial % 2 == 1
        pair = (second, first) if swapped else (first, second)
        added = {**dict(zip(self._fields, pair, strict=True)), SWAPPED: swapped}
        return replace(sample, added={**sample.added, **added})


def _drawn(name: str, n: int, trial: int) -> list[int]:
    """Return an order of n elements drawn by a sample's id and the trial: the same on every machine."""

    def rank(place: int) -> bytes:
        return hashlib.sha256(f"{trial}:{place}:{name}".encode("utf-8", "surrogatepass")).digest()

    return sorted(range(n), key=rank)


VARIATIONS: dict[str, type[Variation]] = {one.name: one for one in (Permute, Swap)}


def _field(sample: Sample, name: str, variation: str) -> Any:
    try:
        return sample.fields[name]
    except KeyError:
        raise DatasetError(
            f'sample "{sample.id}": task.vary.{variation} names {name}, and the sample has '
            f"{', '.join(sorted(sample.fields)) or 'no fields'}: map it with dataset.input.{name}=<column>"
        ) from None
