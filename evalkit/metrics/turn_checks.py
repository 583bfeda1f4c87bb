"""Checks of a conversation's replies: the share of turns, and of whole conversations, that pass."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Self

from evalkit.errors import MetricError
from evalkit.later import np
from evalkit.metrics.base import Metric, options_text
from evalkit.metrics.expectation import (
    check_expectation,
    expectations,
    failed_checks,
    has_checks,
    turn_count,
)
from evalkit.metrics.replies import reply_at
from evalkit.records import Generation, Response, Sample

if TYPE_CHECKING:
    from evalkit.metrics.base import FloatArray

_NOTHING = Response("")


class TurnChecks(Metric):
    """Share in [0, 1] of replies that pass their checks: all, by conversation and by turn.

    A turn's checks are a mapping among the target's (a list as long as the turns, null where a turn is
    free), or those of another `column`:

    - `contains_any`, `contains_all`, `contains_none`: words or phrases, whatever their case, never inside a
      longer word or number; one of a list's texts for `contains_all` may itself be a list, of alternatives
    - `equals_any`: the reply is one of these texts, but for case and punctuation around it
    - `regex`, `not_regex`: a pattern, or several, searched for without regard to case
    - `number`: the last number in the reply
    - `max_words`, `min_words`: "don't" is one word, and so is each Han character

    A reply is right when all of its checks hold. `turn_accuracy` is the share of right replies among all
    that have checks, `conversation_accuracy` that of conversations without a wrong one, `turn_accuracy@k`
    that of the k-th replies. A reply that is missing or could not be parsed is wrong. `turns` is how many
    turns have a value of their own; by default as many as the longest conversation has.
    """

    needs_target = False

    def __init__(self, *, column: str | None = None, turns: int | None = None) -> None:
        if turns is not None and turns < 1:
            raise MetricError(f"turn_checks: turns={turns} must be at least 1 (null: all that there are)")
        self.column, self.turns = column, turns

    @property
    def names(self) -> tuple[str, ...]:  # type: ignore[override]
        """Turns, conversations, and turn by turn."""
        by_turn = (f"turn_accuracy@{turn}" for turn in range(1, (self.turns or 0) + 1))
        return ("turn_accuracy", "conversation_accuracy", *by_turn)

    @property
    def headline(self) -> tuple[str, ...]:
        """The share of right replies, and of conversations without a wrong one."""
        return self.names[:2]

    @property
    def signature(self) -> str:
        """For example `checks:target|turns:3`."""
        return options_text({"checks": self.column or "target", "turns": self.turns or "all"})

    def bind(self, samples: Sequence[Sample]) -> Self:
        """Check the checks, and count the turns."""
        longest = 0
        for sample in samples:
            places = [place for place, _ in self._checked(sample, every=True)]
            longest = max([longest, *(place + 1 for place in places)])
        if not longest:
            raise MetricError(
                "turn_checks: no sample has a check; set dataset.target=<column> to a list of checks as long "
                "as the turns, or metrics.turn_checks.column=<column>; metrics=[turns] compares with texts"
            )
        bound = copy.copy(self)
        bound.turns = self.turns or longest
        return bound

    def statistics(self, generations: Sequence[Generation], samples: Sequence[Sample]) -> FloatArray:
        """Return (n, 4 + 2 * turns): right and checked replies, conversations, and the same turn by turn."""
        if self.turns is None:
            raise MetricError(
                "turn_checks: bind(samples) counts the turns; bind the metric first, or set turns"
            )
        rows = np.zeros((len(generations), 2 + self.turns, 2))
        for row, generation, sample in zip(rows, generations, samples, strict=True):
            found = {place: not self._why(generation, sample, place, one)
                     for place, one in self._checked(sample)}  # fmt: skip
            if found:
                row[0] = sum(found.values()), len(found)
                row[1] = all(found.values()), 1.0
            for place, right in found.items():
                if place < self.turns:
                    row[2 + place] = right, 1.0
        return rows.reshape(len(generations), -1)

    def finish(self, sums: FloatArray) -> FloatArray:
        """Divide each sum by its count; NaN where nothing was checked."""
        pairs = sums.reshape(len(sums), -1, 2)
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(pairs[:, :, 0] / pairs[:, :, 1], dtype=np.float64)

    def bounds(self, sample: Sample) -> tuple[FloatArray, FloatArray]:
        """Every checked reply wrong, and every one right."""
        worst = self.statistics([Generation(sample.id, 0, _NOTHING, None, "no answer")], [sample])[0]
        pairs = worst.reshape(-1, 2)
        return worst, np.repeat(pairs[:, 1], 2)

    def explain(self, generation: Generation, sample: Sample) -> str:
        """For example `turn 1 passes; turn 3 lacks 'Nora'`."""
        said = []
        for place, one in self._checked(sample):
            why = self._why(generation, sample, place, one)
            said.append(f"turn {place + 1} {', '.join(why) if why else 'passes'}")
        return "; ".join(said) or "no turn has a check"

    def _checked(self, sample: Sample, *, every: bool = False) -> Iterator[tuple[int, Any]]:
        """Yield the turns that have checks, by place from 0; `every`: and raise for what is no check."""
        for place, one in enumerate(expectations(sample, self.column, "turn_checks")):
            if every:
                check_expectation(one, f'turn_checks: sample "{sample.id}", turn {place + 1}')
            if has_checks(one):
                yield place, one

    def _why(self, generation: Generation, sample: Sample, place: int, checks: Any) -> list[str]:
        """Return why a reply is wrong; nothing when it is right."""
        reply = reply_at(generation, place, turn_count(sample))
        if reply.text is None:
            return [f"has no reply ({reply.unparsed})"]
        return failed_checks(reply.text, checks)
