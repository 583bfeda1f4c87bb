"""Scores that are kept: what a metric made of the same texts before is looked up, and not computed again."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import suppress
from operator import is_
from pathlib import Path
from typing import TYPE_CHECKING

from evalkit.cache.opening import Say
from evalkit.cache.score_file import LARGEST, ScoreFile, remove
from evalkit.cache.score_keys import Maker, digests_of, maker_of, sources
from evalkit.cache.trouble import DAMAGE, code_of
from evalkit.errors import CacheError
from evalkit.later import np
from evalkit.metrics.base import BATCH, Metric, statistics_of
from evalkit.records import Generation, Sample

if TYPE_CHECKING:
    from evalkit.metrics.base import FloatArray

BUSY_SECONDS = 5.0  # how long another process may hold the file; scoring anew is no loss
WIDEST = 64  # numbers in a row that is kept: longer ones (a label each) are counted faster than read
TROUBLE = (OSError, sqlite3.Error, CacheError)


class ScoreStore:
    """A file of scores that a run looks into and adds to; without one that can be used, everything is scored.

    No trouble with the file is an error: `say` hears of it once. `looked_up` counts the rows that were asked
    for, `scored` those that metrics computed. With `read_only` nothing is made or changed. Construct it
    before anything is scored: it notes what the metrics' code is.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        read_only: bool = False,
        patience: float = BUSY_SECONDS,
        largest: int = LARGEST,
        say: Say = lambda _: None,
    ) -> None:
        self.path = Path(path).expanduser()
        self.looked_up = self.scored = 0
        self._say = say
        self._file: ScoreFile | None = None
        self._keyed: tuple[tuple[Generation, ...], tuple[Sample, ...], list[bytes | None]] = ((), (), [])
        sources()
        if read_only and not self.path.is_file():
            return
        try:
            self._file = ScoreFile(self.path, patience=patience, read_only=read_only, largest=largest)
        except TROUBLE as error:
            self._give_up(error)

    def rows(
        self, metric: Metric, generations: Sequence[Generation], samples: Sequence[Sample]
    ) -> FloatArray:
        """Return the (n, k) statistics of a bound metric, row by row with the generations and samples."""
        self.looked_up += len(generations)
        maker = maker_of(metric) if self._file is not None and len(generations) else None
        if maker is None:
            return self._afresh(metric, generations, samples)
        digests = self._digests(generations, samples)
        found = self._found(maker, digests)
        pieces: list[bytes | None] = [found.get(one) if one is not None else None for one in digests]
        self._compute(metric, generations, samples, maker, digests, pieces)
        kept = [piece for piece in pieces if piece is not None]
        if len({len(piece) for piece in kept}) != 1 or len(kept) < len(pieces):  # no row of this metric
            return self._afresh(metric, generations, samples)
        return np.frombuffer(bytearray(b"".join(kept)), dtype=np.float64).reshape(len(kept), -1)

    def holds(self, metric: Metric, generation: Generation, sample: Sample) -> bool:
        """Whether a bound metric scored this answer before."""
        maker = maker_of(metric) if self._file is not None else None
        return maker is not None and bool(self._found(maker, digests_of([generation], [sample])))

    def count_anew(self) -> None:
        """Begin to count again."""
        self.looked_up = self.scored = 0

    def close(self) -> None:
        """Let go of the file; safe to call twice."""
        file, self._file = self._file, None
        self._keyed = ((), (), [])
        if file is not None:
            file.close()

    def _digests(self, generations: Sequence[Generation], samples: Sequence[Sample]) -> list[bytes | None]:
        """Return the digests, computed once for all metrics of the same answers."""
        before, asked, digests = self._keyed
        same = len(before) == len(generations) and len(asked) == len(samples)
        if not (same and all(map(is_, before, generations)) and all(map(is_, asked, samples))):
            digests = digests_of(generations, samples)
            self._keyed = (tuple(generations), tuple(samples), digests)
        return digests

    def _found(self, maker: Maker, digests: Sequence[bytes | None]) -> Mapping[bytes, bytes]:
        """Return the kept rows by digest."""
        if self._file is None:
            return {}
        try:
            if not self._file.knows(maker.number, maker.identity):
                return {}
            return self._file.find(maker.number, list(dict.fromkeys(one for one in digests if one)))
        except TROUBLE as error:
            self._give_up(error)
            return {}

    def _compute(
        self,
        metric: Metric,
        generations: Sequence[Generation],
        samples: Sequence[Sample],
        maker: Maker,
        digests: Sequence[bytes | None],
        pieces: list[bytes | None],
    ) -> None:
        """Fill in the rows that are missing, a batch at a time; equal texts are scored once."""
        alike: dict[bytes | int, list[int]] = {}
        for place, piece in enumerate(pieces):
            if piece is None:
                alike.setdefault(digests[place] or place, []).append(place)
        todo = list(alike.values())
        for start in range(0, len(todo), BATCH):
            batch = todo[start : start + BATCH]
            firsts = [places[0] for places in batch]
            rows = metric.statistics([generations[one] for one in firsts], [samples[one] for one in firsts])
            self.scored += len(firsts)
            made = [row.tobytes() for row in np.ascontiguousarray(rows, dtype=np.float64)]
            for places, row in zip(batch, made, strict=True):
                for place in places:
                    pieces[place] = row
            if rows.shape[1] <= WIDEST:
                named = zip((digests[one] for one in firsts), made, strict=True)
                self._keep(maker, {digest: row for digest, row in named if digest is not None})

    def _keep(self, maker: Maker, rows: Mapping[bytes, bytes]) -> None:
        # The code may have been edited since the rows' metric was asked for.
        if self._file is None or self._file.read_only or not rows or sources() is None:
            return
        try:
            self._file.add(maker.number, maker.identity, rows)
        except TROUBLE as error:
            self._give_up(error)

    def _afresh(
        self, metric: Metric, generations: Sequence[Generation], samples: Sequence[Sample]
    ) -> FloatArray:
        self.scored += len(generations)
        return statistics_of(metric, generations, samples)

    def _give_up(self, error: Exception) -> None:
        """Go on without the file; a damaged one makes room for a new one."""
        file, self._file = self._file, None
        if file is not None:
            with suppress(sqlite3.Error):
                file.close()
        reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
        gone = code_of(error) in DAMAGE and remove(self.path)
        then = "it was removed, the next run makes a new one" if gone else "remove it, or leave it"
        self._say(f"{self.path}: kept scores cannot be used ({reason}): everything is scored; {then}")
