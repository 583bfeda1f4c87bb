"""Statistics of BLEU and chrF against sacrebleu's own: counts, and so equal and not close."""

from __future__ import annotations

import itertools
import json
import random
import sys
import tracemalloc
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from metrics.material import EDGE_TEXTS, generations, random_texts, references, samples, texts
from sacrebleu.metrics.bleu import BLEU
from sacrebleu.metrics.chrf import CHRF
from sacrebleu.tokenizers.tokenizer_13a import Tokenizer13a
from sacrebleu.tokenizers.tokenizer_zh import TokenizerZh

from evalkit.metrics.bleu import Bleu
from evalkit.metrics.chrf import ChrF
from evalkit.metrics.overlap import Segments, common_ngrams
from evalkit.metrics.symbols import _cut_13a, _cut_zh, _kinds
from evalkit.metrics.text import reference_streams

if TYPE_CHECKING:
    from metrics.conftest import Rows

Pairs = Sequence[tuple[str, Sequence[str]]]

ALPHABETS = (
    "a5.,-; ",
    "ab05.,-' &;<>()\"\n\t",
    "aÀé ßİıΣσς\u0301\u0308'’.-",
    " \t\n\r\x0b\x0c\x1c\x1f\x85\u00a0\u2028\u3000\u200b\ufeff\x00ab.,5",
    "今天气很好我们去公园吧。，！？、12 ",
    "今日はいいカタカナー「」。 a",
    "مرحبا بالعالم،؟ ",
    "สวัสดีครับนมัสเต ",
    "👍🏽🎉❤️\u200d👩 a\ud83d\udc4d",
    "!?…—–-.,;:'\"()[]{}@#$%^&*_+=|\\/~` a1",
)
PIECES = (
    *"&quot; &amp; &amp;lt; &lt;b&gt; <skipped> <<skipped>skipped> 1,000 3.14 .5 5. 5.. ..5 ...".split(),  # noqa: SIM905
    *"5...5 a..b U.S. U.S.-based 10-12 a-b-5-c '' don't (hi) (hi hi) hello world the the of".split(),  # noqa: SIM905
    *(
        "naïve",
        "İ",
        "ﬁ",
        "天气",
        "很好",
        "👍🏽",
        "मस्ते",
        "\u00a0",
        "\u200b",
        "\u2028",
        "\ud83d",
        "\n",
        "\t",
        "",
    ),
    *("<skip-\nped>", "a-\n", "-\n", "--\n\nb", "Donaudampfschifffahrt" * 4, "天" * 80, "x" * 300),
)


def nasty_texts(rng: random.Random, count: int) -> list[str]:
    """Short texts of one alphabet, of pieces that 13a treats in a way of their own, or of both."""
    found = []
    for _ in range(count):
        chars = "".join(rng.choices(rng.choice(ALPHABETS), k=rng.randrange(25)))
        soup = rng.choice(("", " ", "\n")).join(rng.choices(PIECES, k=rng.randrange(5)))
        found.append(rng.choice((chars, chars, soup, chars + soup)))
    return found


def nasty_pairs(seed: int, count: int, most: int = 1) -> list[tuple[str, list[str]]]:
    """Hypotheses that repeat much of one of their 1 … `most` references, so that n-grams match."""
    rng = random.Random(seed)
    pool = iter(nasty_texts(rng, count * (most + 1)))
    pairs = []
    for _ in range(count):
        many = list(itertools.islice(pool, rng.randint(1, most)))
        own, cut = next(pool), rng.choice(many)
        start, stop = sorted(rng.choices(range(len(cut) + 1), k=2))
        pairs.append((rng.choice((own, cut, cut[start:stop] + own, own + " " + cut[start:])), many))
    return pairs


def assert_equal(metric: Bleu | ChrF, pairs: Pairs) -> None:
    """The rows are those of sacrebleu's metric with the same options."""
    hypotheses = [one for one, _ in pairs]
    targets = [list(many) for _, many in pairs]
    found = metric.statistics(generations(hypotheses), samples(targets))
    streams = reference_streams([tuple(many) for many in targets])
    options = dict(metric.options)
    if isinstance(metric, Bleu):
        del options["level"]
        wanted = np.array(BLEU(force=True, **options)._extract_corpus_statistics(hypotheses, streams))
        wanted = np.concatenate([wanted[:, 2:], wanted[:, :2]], axis=1)
    else:
        wanted = np.array(CHRF(**options)._extract_corpus_statistics(hypotheses, streams))
    wrong = np.flatnonzero((found != wanted).any(axis=1))
    assert not len(wrong), (pairs[wrong[0]], found[wrong[0]].tolist(), wanted[wrong[0]].tolist())
    assert found.shape == wanted.shape


@pytest.mark.parametrize("seed", range(8))
def test_bleu_of_twenty_thousand_pairs(seed: int) -> None:
    assert_equal(Bleu(tokenize="13a", lowercase=seed % 2 == 1), nasty_pairs(seed, 2500))


@pytest.mark.parametrize("lowercase", [False, True])
def test_bleu_of_chinese_of_four_thousand_pairs(*, lowercase: bool) -> None:
    assert_equal(Bleu(tokenize="zh", lowercase=lowercase), nasty_pairs(50 + lowercase, 2000))


@pytest.mark.parametrize("seed", range(8))
def test_chrf_of_twenty_thousand_pairs(seed: int) -> None:
    options: dict[str, Any] = {"word_order": seed % 3, "lowercase": seed % 2 == 1, "whitespace": seed >= 4}
    assert_equal(ChrF(**options), nasty_pairs(100 + seed, 2500))


@pytest.mark.parametrize("tokenize", ["13a", "zh", "intl", "char", "none"])
@pytest.mark.parametrize("lowercase", [False, True])
def test_bleu_by_every_tokenizer_with_up_to_nine_references(tokenize: str, *, lowercase: bool) -> None:
    assert_equal(Bleu(tokenize=tokenize, lowercase=lowercase), nasty_pairs(7, 150, most=9))


@pytest.mark.parametrize("order", [1, 2, 3, 5, 6, 7, 8, 9, 40])
def test_bleu_of_every_order(order: int) -> None:
    pairs = [*nasty_pairs(order, 150, most=3), *((text, [text]) for text in random_texts(order, 50, 60))]
    assert_equal(Bleu(tokenize="13a", max_ngram_order=order), pairs)


@pytest.mark.parametrize(
    ("char_order", "word_order"), [*itertools.product((0, 1, 2, 6, 9), (1, 2)), (9, 0), (40, 9)]
)
@pytest.mark.parametrize("whitespace", [False, True])
def test_chrf_of_every_order_takes_the_best_reference(
    char_order: int, word_order: int, *, whitespace: bool
) -> None:
    metric = ChrF(char_order=char_order, word_order=word_order, whitespace=whitespace)
    assert_equal(metric, nasty_pairs(char_order, 100, most=5))


@pytest.mark.parametrize(
    "options", [{"beta": 3}, {"beta": 1, "eps_smoothing": True}, {"eps_smoothing": True}]
)
def test_which_reference_is_the_best_depends_on_the_options(options: dict[str, Any]) -> None:
    assert_equal(ChrF(word_order=2, **options), nasty_pairs(5, 300, most=5))


@pytest.mark.parametrize("metric", [Bleu(tokenize="13a"), ChrF(word_order=2), ChrF(whitespace=True)])
def test_edge_texts_against_each_other(metric: Bleu | ChrF) -> None:
    found = [*EDGE_TEXTS, *PIECES, "\n", "-\n", "\x00", "a\x00b", " -\n ", "\ud83d", "\U0010ffff"]
    assert_equal(metric, [(one, [other]) for one in found for other in found[::3]])


@settings(deadline=None, max_examples=80, derandomize=True)
@given(
    st.lists(st.tuples(texts(), references()), min_size=1, max_size=6),
    st.integers(1, 9),
    st.booleans(),
)
def test_bleu_of_any_texts(pairs: list[tuple[str, list[str]]], order: int, lowercase: bool) -> None:  # noqa: FBT001
    assert_equal(Bleu(tokenize="13a", max_ngram_order=order, lowercase=lowercase), pairs)


@settings(deadline=None, max_examples=80, derandomize=True)
@given(
    st.lists(st.tuples(texts(), references()), min_size=1, max_size=6),
    st.tuples(st.integers(1, 9), st.integers(0, 2), st.booleans(), st.booleans()),
)
def test_chrf_of_any_texts(pairs: list[tuple[str, list[str]]], chosen: tuple[int, int, bool, bool]) -> None:
    char_order, word_order, lowercase, whitespace = chosen
    metric = ChrF(char_order=char_order, word_order=word_order, lowercase=lowercase, whitespace=whitespace)
    assert_equal(metric, pairs)


@pytest.mark.parametrize(
    ("cut", "tokenizer", "alphabet"),
    [(_cut_13a, Tokenizer13a(), "a5.,-; "), (_cut_zh, TokenizerZh(), "a5.,-好 ")],
    ids=["13a", "zh"],
)
def test_every_short_string_is_cut_as_by_sacrebleu(cut: Any, tokenizer: Any, alphabet: str) -> None:
    """All strings of up to five characters that the patterns tell apart, and all pairs of ASCII in words."""
    found = ["".join(chars) for size in range(6) for chars in itertools.product(alphabet, repeat=size)]
    ascii_chars = [chr(code) for code in range(128)]
    found += [f"x{one}{other}5" for one in ascii_chars for other in ascii_chars]
    characters, cuts = cut(found, tokenizer)
    first, last = characters.runs(cuts)
    spelled = [characters.joined[start : stop + 1] for start, stop in zip(first, last, strict=True)]
    bounds = [0, *np.searchsorted(first, characters.ends)]
    for text, (start, stop) in zip(found, itertools.pairwise(bounds), strict=True):
        assert spelled[start:stop] == tokenizer(text.rstrip()).split(), repr(text)


def test_every_character_is_cut_by_zh_as_by_sacrebleu() -> None:
    """Each beside a letter and a stop: what is Chinese stands alone."""
    tokenizer = TokenizerZh()
    found = [f"a{chr(code)}.b" for code in [*range(0x3400), *range(0x3400, sys.maxunicode + 1, 97)]]
    characters, cuts = _cut_zh(found, tokenizer)
    lengths = np.diff(np.searchsorted(characters.runs(cuts)[0], characters.ends), prepend=0)
    assert lengths.tolist() == [len(tokenizer(text).split()) for text in found]


def test_white_space_is_what_python_takes_for_it() -> None:
    spaces = np.flatnonzero(_kinds() == 1).tolist()
    assert spaces == [code for code in range(sys.maxunicode + 1) if chr(code).isspace()]


@pytest.mark.parametrize(("part", "run"), [(1, 1), (40, 3), (700, 1 << 20)])
def test_rows_do_not_depend_on_how_the_work_is_divided(
    part: int, run: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("evalkit.metrics.bleu._PART", part)
    monkeypatch.setattr("evalkit.metrics.chrf._PART", part)
    monkeypatch.setattr("evalkit.metrics.overlap._RUN", run)
    pairs = nasty_pairs(9, 150, most=4)
    for metric in (Bleu(tokenize="13a"), Bleu(tokenize="zh"), ChrF(word_order=2)):
        assert_equal(metric, pairs)


def test_counts_of_many_distinct_symbols_by_hand_and_by_counter() -> None:
    """Numbers up to 2^17 do not fit into one integer six at a time: windows are packed in steps."""
    rng = np.random.default_rng(1)
    sides = [rng.choice(rng.integers(0, 1 << 17, 40), rng.integers(0, 200)) for _ in range(60)]
    for place in range(0, 60, 2):
        sides[place][: len(sides[place + 1])] = sides[place + 1][: len(sides[place])]
    symbols = np.concatenate([part for side in sides for part in (side, [0])]).astype(np.int64)
    lengths = np.array([len(side) for side in sides])
    found = common_ngrams(Segments(symbols, lengths, np.full(30, 2)), 6)
    for row, one, other in zip(found, sides[::2], sides[1::2], strict=True):
        for order in range(1, 7):
            counts = [
                Counter(tuple(side[start : start + order]) for start in range(len(side) - order + 1))
                for side in (one, other)
            ]
            assert row[order - 1] == (counts[0] & counts[1]).total()


def test_long_texts_are_counted_in_bounded_memory() -> None:
    """Of 600,000 characters `ab`… against themselves all n-grams match; of a batch, one part is in memory.

    BLEU's parts are 2^17 characters, at less than 100 bytes each; the batch is 9 times as long.
    """
    text = "ab" * 300_000
    assert ChrF(char_order=2).statistics(generations([text]), samples([text])).tolist() == [
        [600_000] * 3 + [599_999] * 3
    ]
    long = " ".join(random_texts(3, 200))
    answers, asked = generations([long] * 60), samples([long] * 60)
    for metric in (Bleu(tokenize="13a"), ChrF(word_order=2)):
        metric.statistics(answers[:1], asked[:1])
        tracemalloc.start()
        try:
            metric.statistics(answers, asked)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert peak < 100 * (1 << 17)


@pytest.mark.shared
@pytest.mark.parametrize(
    "name", ["translation_ntrex_en-de", "translation_ntrex_en-zh", "recorded_gsm8k_outputs"]
)
def test_real_texts(shared_rows: Rows, name: str) -> None:
    found = [text for row in shared_rows(name)[:50] for text in _strings(row)]
    pairs = [(one + other[: len(other) // 2], [other, one]) for one, other in itertools.pairwise(found)]
    for metric in (Bleu(tokenize="13a"), Bleu(tokenize="zh"), ChrF(word_order=2)):
        assert_equal(metric, pairs[:100])


def _strings(row: dict[str, Any]) -> list[str]:
    return [one if isinstance(one, str) else json.dumps(one) for one in row.values()]
