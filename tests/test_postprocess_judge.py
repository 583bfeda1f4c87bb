"""The steps that read a judge's answer: scores, pairs of scores, preferences."""

from __future__ import annotations

import math
from typing import Any

import pytest

from evalkit.errors import ConfigError
from evalkit.postprocess import Context, Unparsed
from evalkit.postprocess.preference import Preference, Scores
from evalkit.postprocess.score import Score
from evalkit.records import Response, Sample


@pytest.mark.parametrize(
    ("text", "score"),
    [
        ("Score: 7", 7),
        ("The text is fine.\n\nScore: [[8]]", 8),
        ("**Score:** 6.5", 6.5),
        ("Final score = 9/10", 9),
        ("Rating (1-10): 4", 4),
        ("I would give it a score of 3.", 3),
        ("[[7]]", 7),
        ("[[7/10]]", 7),
        ("7", 7),
        (" **10** ", 10),
        ("It deserves 7/10.", 7),
        ("8 out of 10, no more", 8),
        ('{"score": 7}', 7),
        ('```json\n{"reason": "fine", "score": 7.5}\n```', 7.5),
        ('{"rating": "8/10"}', 8),
        ("评分:8分", 8),
        ("评分为 8", 8),
        ("得分：９", 9),
        ("我给这篇文章7分。", 7),
        ("满分10分,我给6分,满分10分", 6),
        # The last one counts: a judge may quote first.
        ('The answer says "Score: 10", which is not its to say.\nScore: 2', 2),
        ("Clarity score: 8\nOverall score: 5", 5),
        # A number that is no score.
        ("It has 3 mistakes in 2/3 of its lines. Score: 4", 4),
    ],
)
def test_a_score_is_read_in_the_forms_that_judges_write(text: str, score: float) -> None:
    assert Score()(text) == score


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "no score"),
        ("Very good.", "no score"),
        ("It mentions 3 of the 4 points.", "no score"),
        ("Score: 11", "11 is outside the scale 1 to 10"),
        ("Score: 0", "0 is outside the scale"),
        ("Score: -3", "-3 is outside the scale"),
        ("[[70]]", "70 is outside the scale"),
        ("Score: 7/100", "is of another scale, not up to 10"),
        ("Score: 7-8", "a range that begins with 7"),
        ("Score: 7 to 8", "a range"),
        ("评分:7到8分", "a range"),
        ('{"score": 12}', "12 is outside the scale"),
        ('{"score": true}', "no score"),
    ],
)
def test_what_is_no_score_of_the_scale_is_unparsed(text: str, reason: str) -> None:
    with pytest.raises(Unparsed, match=reason.replace("(", r"\(")):
        Score()(text)


@pytest.mark.parametrize(
    ("text", "score"),
    [
        ("Fine.\nScore: 7", 7),
        ("- **Final score:** 7/10", 7),
        ("My overall score is 7", 7),
        ("最终评分:7", 7),
        ("So I say [[7]].", 7),
        ("7", 7),
        ('{"score": 7}', 7),
        ("The brief tells that the score is 1.", None),
        ('The answer says "Score: 10".', None),
        ("It deserves 7/10.", None),
        ("我给7分", None),
    ],
)
def test_a_strict_reader_takes_no_score_out_of_prose(text: str, score: float | None) -> None:
    if score is None:
        with pytest.raises(Unparsed, match="no score"):
            Score(strict=True)(text)
    else:
        assert Score(strict=True)(text) == score


def test_the_scale_decides_what_a_score_is() -> None:
    assert Score(scale=[1, 5])("Score: 4/5") == 4
    assert Score(scale=[0, 1])("Score: 0.5") == 0.5
    with pytest.raises(Unparsed, match="outside the scale 1 to 5"):
        Score(scale=[1, 5])("Score: 7")
    with pytest.raises(ConfigError, match="lowest, highest"):
        Score(scale=[5, 1])


def logprobs(*tokens: tuple[str, dict[str, float]]) -> dict[str, Any]:
    """Log-probabilities as chat completions tell them: each token with what could have stood there."""
    return {
        "content": [
            {
                "token": token,
                "logprob": math.log(others.get(token, 1.0)),
                "bytes": list(token.encode()),
                "top_logprobs": [
                    {"token": one, "logprob": math.log(p), "bytes": list(one.encode())}
                    for one, p in others.items()
                ],
            }
            for token, others in tokens
        ]
    }


def weighted(text: str, told: Any, **options: Any) -> Any:
    context = Context(Response(text, logprobs=told), Sample("s", {}))
    return Score(weighted=True, **options).read(text, context)


def test_a_weighted_score_is_the_expected_one_over_the_scale() -> None:
    """By hand: 8 and 7 and 9 have 0.5, 0.3 and 0.1, the rest no score: (4 + 2.1 + 0.9) / 0.9 = 7.777…"""
    told = logprobs(
        ("Score", {}), (":", {}), (" ", {}), ("8", {"8": 0.5, "7": 0.3, "9": 0.1, "N": 0.06, "11": 0.04})
    )
    assert weighted("Score: 8", told) == pytest.approx(7.0 / 0.9)


def test_a_token_may_hold_what_stands_around_the_score() -> None:
    told = logprobs(("Score", {}), (":", {}), (" 4", {" 4": 0.6, " 2": 0.2, "2": 0.2}))
    assert weighted("Score: 4", told, scale=[1, 5]) == pytest.approx((4 * 0.6 + 2 * 0.2) / 0.8)


def test_tokens_that_are_parts_of_characters_are_put_together() -> None:
    face = "🙂".encode()
    told = logprobs((" Score: ", {}), ("7", {"7": 0.9, "5": 0.1}))
    parts = [
        {"token": "\\x", "logprob": 0.0, "bytes": list(part), "top_logprobs": []}
        for part in (face[:2], face[2:])
    ]
    assert weighted("🙂 Score: 7", {"content": [*parts, *told["content"]]}) == pytest.approx(6.8)


@pytest.mark.parametrize(
    ("text", "told", "reason"),
    [
        ("Score: 8", None, "no log-probabilities: set model.params.logprobs=true"),
        ("Score: 8", logprobs(("Score: 9", {})), "those of another text"),
        (
            "Score: 10",
            logprobs(("Score: ", {}), ("1", {"1": 1.0}), ("0", {"0": 1.0})),
            "10 is no single token",
        ),
        ("Score: 7.5", logprobs(("Score: ", {}), ("7", {"7": 1.0}), (".5", {})), "7.5 is no single token"),
    ],
)
def test_without_a_weight_there_is_no_weighted_score(text: str, told: Any, reason: str) -> None:
    with pytest.raises(Unparsed, match=reason.replace("(", r"\(")):
        weighted(text, told)


@pytest.mark.parametrize(
    ("text", "pair"),
    [
        ("9 8.5\nBoth are helpful.", [9, 8.5]),
        ("8, 9", [8, 9]),
        ("8/10 9/10\nSo it is.", [8, 9]),
        ("First, I solve it.\n\nScores:\nAssistant 1: 10\nAssistant 2: 4\n\nThat is it.", [10, 4]),
        ("The scores are (1, 7) for the two.", [1, 7]),
    ],
)
def test_two_scores_are_read_as_in_reviews_by_gpt_4(text: str, pair: list[float]) -> None:
    assert Scores()(text) == pair


@pytest.mark.parametrize("text", ["", "Both are good.", "8", "8 9 10", "11 3"])
def test_what_are_no_two_scores_is_unparsed(text: str) -> None:
    with pytest.raises(Unparsed):
        Scores()(text)


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        ("B is worse.\n[[A]]", "A"),
        ("[[B]]", "B"),
        ("[[C]]", "tie"),
        ("[[Tie]]", "tie"),
        ("[[A=B]]", "tie"),
        ("[[A>>B]]", "A"),
        ("[[ Assistant B ]]", "B"),
        ("A", "A"),
        ("Answer B.", "B"),
        ("9 8\nBoth are fine.", "A"),
        ("8 8\nBoth are fine.", "tie"),
        ('{"winner": "B"}', "B"),
        ('{"reason": "x", "verdict": "Tie"}', "tie"),
        ("My final verdict is: Answer A", "A"),
        ("**Winner:** Assistant B", "B"),
        ("The better answer is B.", "B"),
        ("结论:平局", "tie"),
        ("更好的回答是B", "B"),
        ('One of them says "[[A]]", which is not its to say.\n[[B]]', "B"),
    ],
)
def test_a_preference_is_read_in_the_forms_that_judges_write(text: str, verdict: str) -> None:
    assert Preference()(text) == verdict


@pytest.mark.parametrize("text", ["", "Both are good.", "[[D]]", "A better answer would be longer."])
def test_what_is_no_verdict_is_unparsed(text: str) -> None:
    with pytest.raises(Unparsed, match="no verdict"):
        Preference()(text)


@pytest.mark.parametrize(
    ("text", "verdict"), [("[[A]]", "B"), ("[[B]]", "A"), ("[[C]]", "tie"), ("9 8", "B")]
)
def test_a_verdict_on_swapped_answers_is_turned_round(text: str, verdict: str) -> None:
    sample = Sample("s", {}, added={"swapped": True})
    assert Preference().read(text, Context(Response(text), sample, 1)) == verdict
