from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pytest
from sacrebleu.metrics.bleu import BLEU

from evalkit.metrics.bleu import Bleu
from evalkit.records import Sample

if TYPE_CHECKING:
    from numpy.typing import NDArray

    FloatArray = NDArray[np.float64]

SENTENCES = (
    "the old lighthouse keeper climbed the stairs every evening before the storm came in",
    "nobody at the station could explain why the morning train had left an hour early",
    "a small committee of neighbours planted forty apple trees along the northern road",
    "her report on the harvest was shorter than the one that the ministry had asked for",
    "when the river froze the children skated from the mill to the bridge and back again",
    "the museum will open its new wing in spring if the glass for the roof arrives in time",
    "they compared the two maps for hours and found that both of them were wrong",
    "after the concert the conductor thanked the quiet man who tuned the piano",
)


@dataclass(frozen=True)
class Translations:
    """Two systems' texts with their references, and the BLEU statistics (n, 10) of both."""

    aggregate: Callable[[FloatArray, FloatArray], FloatArray]
    references: list[str]
    texts: tuple[list[str], list[str]]
    rows: tuple[FloatArray, FloatArray]


@pytest.fixture(scope="session")
def translate() -> Callable[..., Translations]:
    """Two systems that lose words at these rates; n-gram counts by sacrebleu."""

    def make(n: int, rates: tuple[float, float], seed: int) -> Translations:
        rng = np.random.default_rng(seed)
        references = [SENTENCES[place % len(SENTENCES)] for place in range(n)]
        first, second = (
            [" ".join(word for word in text.split() if rng.random() >= rate) for text in references]
            for rate in rates
        )
        metric = Bleu(tokenize="13a").bind([Sample(id="0", input={}, target="x")])
        bleu = BLEU(tokenize="13a")
        rows = [
            np.array(bleu._extract_corpus_statistics(side, [references]), dtype=np.float64)
            for side in (first, second)
        ]
        # sacrebleu puts the lengths first, our metric last.
        ours = [np.concatenate([side[:, 2:], side[:, :2]], axis=1) for side in rows]
        return Translations(metric.aggregate, references, (first, second), (ours[0], ours[1]))

    return make
