"""Groundedness by shared words: how much of an answer stands in the passages that were shown."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from evalkit.later import np
from evalkit.metrics.base import Metric, options_text
from evalkit.metrics.text import check_choice, cjk, mixed_tokens, squad_tokens
from evalkit.records import Generation, Sample

if TYPE_CHECKING:
    from evalkit.metrics.base import FloatArray

PASSAGES = "passages"
WITHIN = ("all", "one")
NAMED = 5


class Groundedness(Metric):
    """Overlap of answers with the passages shown, in [0, 1]; it needs no reference and knows no truth.

    - `k_precision`: share of the answer's tokens that the passages have (K-Precision, Adlakha et al. 2023,
      arXiv 2307.16877).
    - `k_f1`: F1 of the answer's tokens and the passages' (Knowledge F1, Shuster et al. 2021, arXiv
      2104.07567); low for short answers from long passages, however faithful.

    Tokens are SQuAD's; with a Han or kana character on either side, as in token F1, each such character is
    one. A token that comes twice must be in the passages twice. `within`: "all" puts the passages together,
    as the script of K-Precision does; "one" takes the passage that supports most of the answer. An answer
    that abstains (the empty text) claims nothing, and a sample without passages has nothing to be grounded
    in: neither is counted. Words are compared, not what they say: "not in Drosten" is as grounded as "in
    Drosten".
    """

    names = ("k_precision", "k_f1")
    needs_target = False

    def __init__(self, *, within: str = "all") -> None:
        check_choice("groundedness", "within", within, WITHIN)
        self.within = within

    @property
    def signature(self) -> str:
        """For example `tok:squad+mixed|within:all`."""
        return options_text({"tok": "squad+mixed", "within": self.within})

    @property
    def headline(self) -> tuple[str, ...]:
        """K-Precision: F1 depends on how long the passages are."""
        return ("k_precision",)

    def statistics(self, generations: Sequence[Generation], samples: Sequence[Sample]) -> FloatArray:
        """Return (n, 3): K-Precision, Knowledge F1, and 1 for an answer that counts."""
        rows = np.zeros((len(generations), 3))
        for row, generation, sample in zip(rows, generations, samples, strict=True):
            passages = passages_of(sample)
            if passages and generation.text != "":
                row[2] = 1.0
                if generation.text is not None:
                    row[:2] = self._overlap(generation.text, passages)[:2]
        return rows

    def finish(self, sums: FloatArray) -> FloatArray:
        """Divide by the number of answers that count; NaN where none does."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(sums[:, :2] / sums[:, 2:], dtype=np.float64)

    def bounds(self, sample: Sample) -> tuple[FloatArray, FloatArray]:
        """Nothing or everything supported; no part in it where no passages were shown."""
        counts = float(bool(passages_of(sample)))
        return np.array([0.0, 0.0, counts]), np.full(3, counts)

    def explain(self, generation: Generation, sample: Sample) -> str | None:
        """For example `2 of 3 tokens are in the passages; not there: 1887`."""
        passages = passages_of(sample)
        if not passages or not generation.text:
            return None
        _, _, shared, total, lacking = self._overlap(generation.text, passages)
        told = f"{shared} of {total} tokens are in the passages"
        return f"{told}; not there: {', '.join(lacking[:NAMED])}" if lacking else told

    def _overlap(self, answer: str, passages: Sequence[str]) -> tuple[float, float, int, int, Sequence[str]]:
        """Return K-Precision, Knowledge F1, shared tokens, the answer's tokens, and those not found."""
        texts = [" ".join(passages)] if self.within == "all" else passages
        return max((_overlap(answer, text) for text in texts), key=lambda found: found[:2])


def passages_of(sample: Sample) -> list[str]:
    """Return the texts that were shown with a sample; none without retrieval."""
    found = sample.added.get(PASSAGES, ())
    return [str(one) for one in found] if isinstance(found, (list, tuple)) else []


def _overlap(answer: str, text: str) -> tuple[float, float, int, int, Sequence[str]]:
    split = mixed_tokens if cjk().search(answer) or cjk().search(text) else squad_tokens
    said, known = Counter(split(answer)), Counter(split(text))
    shared, total = (said & known).total(), said.total()
    lacking = list((said - known).elements())
    if not shared:
        return 0.0, 0.0, 0, total, lacking
    precision, recall = shared / total, shared / known.total()
    return precision, 2 * precision * recall / (precision + recall), shared, total, lacking
