from __future__ import annotations

import itertools
import random
import re
import string
import unicodedata
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from metrics.material import EDGE_TEXTS, generation, random_texts, references, samples, texts, values_of

from evalkit.errors import MetricError
from evalkit.metrics.token_f1 import TokenF1

if TYPE_CHECKING:
    from metrics.conftest import Rows


def squad_f1(prediction: str, targets: Sequence[str]) -> float:
    """The steps of the official SQuAD scripts, written down again as an oracle (2.0's rule for no tokens)."""

    def tokens(text: str) -> list[str]:
        text = "".join(char for char in text.lower() if char not in set(string.punctuation))
        return re.sub(r"\b(a|an|the)\b", " ", text).split()

    return max(overlap_f1(tokens(prediction), tokens(target)) for target in targets)


def mlqa_chinese_f1(prediction: str, targets: Sequence[str]) -> float:
    """The steps of MLQA's evaluation for zh: punctuation of any kind out, U+4E00-9FA5 one by one."""

    def tokens(text: str) -> list[str]:
        bare = "".join(
            char
            for char in text.lower()
            if char not in string.punctuation and unicodedata.category(char)[0] != "P"
        )
        parts: list[str] = []
        rest = ""
        for char in bare:
            if "\u4e00" <= char <= "\u9fa5":
                parts += [*rest.split(), char]
                rest = ""
            else:
                rest += char
        return parts + rest.split()

    return max(overlap_f1(tokens(prediction), tokens(target)) for target in targets)


def overlap_f1(predicted: list[str], reference: list[str]) -> float:
    if not predicted or not reference:
        return float(predicted == reference)
    same = sum((Counter(predicted) & Counter(reference)).values())
    precision, recall = same / len(predicted), same / len(reference)
    return 2 * precision * recall / (precision + recall) if same else 0.0


def token_f1(prediction: str | None, target: object, tokenizer: str = "auto") -> float:
    return values_of(TokenF1(tokenizer=tokenizer), [prediction], [target])["token_f1"]


@pytest.mark.parametrize(
    ("prediction", "target", "score"),
    [
        ("the Denver Broncos", "Denver Broncos", 1.0),
        ("Broncos!", "Denver Broncos", 2 / 3),  # P = 1, R = 1/2
        ("24-10 win", "24–10", 0.0),  # "-" goes, the dash stays, as in SQuAD's script
        ("gold gold gold", "gold", 1 / 2),  # counted once: P = 1/3, R = 1
        ("an apple a day", ["pear", "apple day pear"], 4 / 5),  # P = 1, R = 2/3
        ("", "", 1.0),
        ("the", "", 1.0),  # nothing is left of an article
        ("word", "", 0.0),
        ("", "word", 0.0),
    ],
)
def test_hand_worked_scores(prediction: str, target: str | list[str], score: float) -> None:
    assert token_f1(prediction, target) == pytest.approx(score, abs=1e-12)


@pytest.mark.parametrize(
    ("prediction", "target", "score"),
    [
        ("流浪者队", "流浪者队。", 1.0),
        ("流浪者", "流浪者队", 6 / 7),  # P = 1, R = 3/4
        ("1998年", "1998 年", 1.0),
        ("《红楼梦》", "红楼梦", 1.0),
        ("iPhone手机", "iphone 手 机", 1.0),
        ("とうきょう", "とうきよう", 4 / 5),  # kana one by one: ょ is not よ
    ],
)
def test_cjk_characters_are_tokens(prediction: str, target: str, score: float) -> None:
    assert token_f1(prediction, target) == pytest.approx(score, abs=1e-12)


def test_squad_tokenizer_takes_a_chinese_answer_for_one_word() -> None:
    assert token_f1("流浪者", "流浪者队", "squad") == 0.0


def test_pairs_without_cjk_are_scored_as_squad_also_in_a_chinese_data_set() -> None:
    """The second pair keeps its quotation marks and loses its article, as SQuAD's script has it."""
    found = values_of(TokenF1(), ["队", "the “Apple”"], ["队", ["Apple", "“Apple”"]])
    assert found == {"token_f1": 1.0}
    assert token_f1("“Apple”", ["Apple"], "mixed") == 0.0


def test_auto_is_resolved_by_the_targets() -> None:
    assert TokenF1().bind(samples(["a", ["b", "中"]])).signature == "tok:mixed"
    assert TokenF1().bind(samples(["a", "b"])).signature == "tok:squad"
    with pytest.raises(MetricError, match="bind the metric first"):
        TokenF1().statistics([generation("中")], samples(["中"]))


@settings(deadline=None, max_examples=150, derandomize=True)
@given(texts(), references())
def test_any_text_scores_as_in_squads_script(prediction: str, targets: list[str]) -> None:
    assert token_f1(prediction, targets, "squad") == pytest.approx(squad_f1(prediction, targets), abs=1e-12)


def test_edge_and_random_texts_without_cjk_score_as_in_squads_script_in_mixed_mode() -> None:
    plain = [text for text in (*EDGE_TEXTS, *random_texts(4, 300)) if not re.search("[\u2e80-\u9fff]", text)]
    for prediction, target in itertools.pairwise(plain):
        assert token_f1(prediction, [target], "mixed") == squad_f1(prediction, [target])


@pytest.mark.shared
def test_xquad_answers_score_as_in_squads_script(shared_rows: Rows) -> None:
    """Against the question's own words, the next answer, and a cut of the context around the answer."""
    rows = shared_rows("qa_extractive_xquad_en")
    for place, row in enumerate(rows):
        targets = [*row["answers"]["text"], rows[place - 1]["answers"]["text"][0]]
        start = row["answers"]["answer_start"][0]
        for prediction in (row["question"], row["context"][max(start - 12, 0) : start + 20]):
            assert token_f1(prediction, targets) == pytest.approx(squad_f1(prediction, targets), abs=1e-12)


@pytest.mark.shared
def test_chinese_sentences_score_as_in_mlqas_script(shared_rows: Rows) -> None:
    rows = random.Random(5).sample(shared_rows("translation_ntrex_en-zh"), 200)
    for own, other in itertools.pairwise(rows):
        targets = [other["target"], own["target"]]
        prediction = own["target"][3:30] + own["source"][:10]
        found = token_f1(prediction, targets)
        assert found == pytest.approx(mlqa_chinese_f1(prediction, targets), abs=1e-12)


def test_unparsed_scores_zero_even_where_the_target_is_empty() -> None:
    assert token_f1(None, "") == 0.0


def test_unknown_tokenizer_is_refused_with_the_nearest() -> None:
    with pytest.raises(MetricError, match=r'unknown tokenizer "squat" \(did you mean "squad"\?\)'):
        TokenF1(tokenizer="squat")


def test_explain_names_the_nearest_reference() -> None:
    sample = samples([["pear", "the Denver Broncos"]])[0]
    bound = TokenF1().bind([sample])
    assert (
        bound.explain(generation("Broncos of Denver"), sample)
        == "2 of 3 predicted tokens are among the 2 of reference 'the Denver Broncos'"
    )
    assert bound.explain(generation(None), sample) is None
