"""Texts and shorthands that the tests of the metrics share."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from hypothesis import strategies as st

from evalkit.metrics.base import Metric
from evalkit.records import Generation, Response, Sample

if TYPE_CHECKING:
    from evalkit.metrics.base import FloatArray

EDGE_TEXTS = (
    "",
    " ",
    "?!…—",
    "👍🏽🎉",
    "❤️",
    "مرحبا بالعالم، كيف حالك؟",
    "שלום עולם 123",
    "lone \ud83d surrogate \udc4d here",
    "first line\r\nsecond line\r\n\r\nthird",
    "non\u00a0breaking space\u3000and ideographic",
    "今天天气很好，我们去公园吧。",
    "GPT4模型生成的答案 is 42.",
    "今日はいい天気ですね。",
    "สวัสดีครับ ยินดีต้อนรับ",
    "नमस्ते दुनिया",
    "한국어 문장입니다.",
    "naïve café Straße İstanbul",
    "The U.S.-based firm's 3.5% rise, don't you think? <skipped> &quot;yes&quot; a-\nb",
    "a",
)
_SOUP = (
    "the a an dog dogs barked barking ran running . , ! ? -- 3.14 1,000 U.S. don't \n \r\n \t \u00a0 "
    "天 气 很 好 。 今日 は 👍 ❤️ \ud83d é für שלום مرحبا naïve & < >"
)
_VOCABULARY = _SOUP.split(" ")


def generation(prediction: Any, place: int = 0) -> Generation:
    """An answer to the sample of that place; None is an unparsed one."""
    unparsed = "no answer found" if prediction is None else None
    return Generation(str(place), 0, Response("raw"), prediction, unparsed)


def generations(predictions: Sequence[Any]) -> list[Generation]:
    return [generation(prediction, place) for place, prediction in enumerate(predictions)]


def samples(targets: Sequence[Any]) -> list[Sample]:
    return [Sample(str(place), {"text": "?"}, target) for place, target in enumerate(targets)]


def rows_of(metric: Metric, predictions: Sequence[Any], targets: Sequence[Any]) -> FloatArray:
    """The statistics of a metric bound to the targets."""
    asked = samples(targets)
    return metric.bind(asked).statistics(generations(predictions), asked)


def values_of(metric: Metric, predictions: Sequence[Any], targets: Sequence[Any]) -> dict[str, float]:
    """The values of a run, through bind, statistics and aggregate."""
    asked = samples(targets)
    bound = metric.bind(asked)
    rows = bound.statistics(generations(predictions), asked)
    values = bound.aggregate(rows, np.ones((1, len(rows))))
    assert values.shape == (1, len(bound.names))
    return dict(zip(bound.names, values[0].tolist(), strict=True))


def random_texts(seed: int, count: int, longest: int = 30) -> list[str]:
    """Texts of a small mixed vocabulary, so that n-grams and subsequences repeat."""
    rng = random.Random(seed)
    return [
        rng.choice((" ", "", " ")).join(rng.choices(_VOCABULARY, k=rng.randint(0, longest)))
        for _ in range(count)
    ]


def texts() -> st.SearchStrategy[str]:
    """Vocabulary soup, any Unicode, or an edge case."""
    soup = st.lists(st.sampled_from(_VOCABULARY), max_size=20).map(" ".join)
    return st.one_of(soup, st.text(max_size=30), st.sampled_from(EDGE_TEXTS))


def references(most: int = 3) -> st.SearchStrategy[list[str]]:
    return st.lists(texts(), min_size=1, max_size=most)
