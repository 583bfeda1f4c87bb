"""K-Precision and Knowledge F1, worked by hand and against the scripts' rules."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
import pytest

from evalkit.errors import MetricError
from evalkit.metrics.groundedness import Groundedness
from evalkit.metrics.text import squad_tokens
from evalkit.records import Generation, Response, Sample

FERRY = "The ferry leaves at noon. The last one leaves at nine."


def sample(*passages: str) -> Sample:
    return Sample("s", {"question": "?"}, added={"passages": list(passages)})


def generation(text: str | None) -> Generation:
    return Generation("s", 0, Response(text or ""), text, None if text is not None else "unparsed")


def scored(answer: str | None, *passages: str, within: str = "all") -> list[float]:
    row: list[float] = (
        Groundedness(within=within).statistics([generation(answer)], [sample(*passages)])[0].tolist()
    )
    return row


def test_precision_is_the_share_of_the_answers_tokens() -> None:
    """Of at, noon, on, sunday the first two are among the passage's 9: 2/4, recall 2/9, F1 4/13."""
    assert scored("At noon on Sunday", FERRY) == pytest.approx([0.5, 4 / 13, 1.0])


def test_a_token_counts_as_often_as_the_passages_have_it() -> None:
    """leaves three times in the answer, twice in the passage."""
    assert scored("leaves leaves leaves", FERRY)[0] == pytest.approx(2 / 3)


def test_articles_case_and_punctuation_do_not_count() -> None:
    assert scored("A FERRY, the noon!", FERRY)[0] == 1.0


def test_passages_are_taken_together_or_one_by_one() -> None:
    assert scored("noon bridge", "at noon", "a bridge")[0] == 1.0
    assert scored("noon bridge", "at noon", "a bridge", within="one")[0] == 0.5


def test_chinese_is_compared_by_characters() -> None:
    assert scored("何守拙", "由木匠何守拙主持修建")[0] == 1.0
    assert scored("何守成", "由木匠何守拙主持修建")[0] == pytest.approx(2 / 3)


def test_abstentions_and_samples_without_passages_have_no_part() -> None:
    assert scored("", FERRY) == [0, 0, 0]
    assert scored("noon") == [0, 0, 0]
    values = Groundedness().aggregate(np.array([[0.5, 0.2, 1.0], [0.0, 0.0, 0.0]]), np.ones((1, 2)))
    assert values[0].tolist() == pytest.approx([0.5, 0.2])
    assert np.isnan(Groundedness().aggregate(np.zeros((2, 3)), np.ones((1, 2)))).all()


def test_an_unparsed_answer_counts_as_unsupported() -> None:
    assert scored(None, FERRY) == [0, 0, 1]


def test_as_the_script_of_k_precision_counts() -> None:
    """|answer ∩ " ".join(passages)| / |answer| as multisets of SQuAD's tokens (McGill-NLP/instruct-qa)."""
    passages = ["The Weavers' Bridge was opened in 1887.", "It is 212 metres long; lorries may not use it."]
    answer = "The bridge, opened in 1887, is 212 metres long and it is green"
    said, known = Counter(squad_tokens(answer)), Counter(squad_tokens(" ".join(passages)))
    assert scored(answer, *passages)[0] == pytest.approx((said & known).total() / said.total())
    assert scored(answer, *passages)[0] == pytest.approx(9 / 12)


def test_it_needs_no_target_and_explains_itself() -> None:
    metric = Groundedness()
    assert not metric.needs_target
    told = metric.explain(generation("At noon on Sunday"), sample(FERRY))
    assert told == "2 of 4 tokens are in the passages; not there: on, sunday"
    assert metric.explain(generation(""), sample(FERRY)) is None


def test_bounds_are_none_supported_and_all() -> None:
    worst, best = Groundedness().bounds(sample(FERRY))
    assert (worst.tolist(), best.tolist()) == ([0, 0, 1], [1, 1, 1])
    assert not np.concatenate(Groundedness().bounds(sample())).any()
    assert math.isclose(Groundedness.maximum, 1.0)


def test_an_unknown_way_is_refused() -> None:
    with pytest.raises(MetricError, match='unknown within "each"'):
        Groundedness(within="each")
