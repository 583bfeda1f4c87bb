"""What evalkit/metrics/base.py promises, of every reference-based text and label metric."""

from __future__ import annotations

import inspect
import json
import math
import pickle
import subprocess
import sys
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from metrics.material import EDGE_TEXTS, generation, generations, random_texts, samples, values_of
from omegaconf import OmegaConf

from evalkit.errors import MetricError
from evalkit.metrics.accuracy import Accuracy
from evalkit.metrics.base import Metric
from evalkit.metrics.bleu import Bleu
from evalkit.metrics.calibration import Calibration
from evalkit.metrics.chrf import ChrF
from evalkit.metrics.diversity import Distinct, Length, Repetition
from evalkit.metrics.edit import Cer, EditSimilarity, Wer
from evalkit.metrics.exact_match import ExactMatch
from evalkit.metrics.f1 import F1
from evalkit.metrics.kappa import CohenKappa
from evalkit.metrics.latency import Latency
from evalkit.metrics.retrieval import Retrieval
from evalkit.metrics.rouge import Rouge
from evalkit.metrics.sentence import SentenceBleu, SentenceChrF, SentenceTer
from evalkit.metrics.ter import Ter
from evalkit.metrics.token_f1 import TokenF1

ROOT = Path(__file__).parents[2]
FAMILIES = (
    *("exact_match", "accuracy", "f1", "token_f1", "rouge", "bleu", "chrf", "ter"),
    *("sentence_bleu", "sentence_chrf", "sentence_ter", "edit_similarity", "wer", "cer"),
    *("perplexity", "mean_logprob", "calibration", "retrieval", "kappa", "correlation"),
    *("distinct", "repetition", "length", "latency", "cost_usd"),
)
METRICS: list[type[Metric]] = [
    *(ExactMatch, Accuracy, F1, TokenF1, Rouge, Bleu, ChrF, Ter),
    *(SentenceBleu, SentenceChrF, SentenceTer, EditSimilarity, Wer, Cer),
]

# Every option with a value that is not its default.
CHANGES: list[tuple[type[Metric], dict[str, Any]]] = [
    (ExactMatch, {"normalize": "squad"}),
    (ExactMatch, {"ignore_case": True}),
    (Accuracy, {"ignore_case": True}),
    (F1, {"labels": ["a", "b"]}),
    (F1, {"types": ["macro"]}),
    (ExactMatch, {"no_answer": "unanswerable"}),
    (TokenF1, {"tokenizer": "mixed"}),
    (TokenF1, {"no_answer": "unanswerable"}),
    (Rouge, {"types": ["rouge1"]}),
    (Rouge, {"use_stemmer": True}),
    (Rouge, {"tokenizer": "unicode"}),
    (Bleu, {"tokenize": "char"}),
    (Bleu, {"lowercase": True}),
    (Bleu, {"smooth_method": "floor"}),
    (Bleu, {"smooth_method": "floor", "smooth_value": 0.101}),
    (Bleu, {"smooth_method": "floor", "smooth_value": 0.102}),
    (Bleu, {"max_ngram_order": 2}),
    (Bleu, {"level": "document"}),
    (ChrF, {"char_order": 4}),
    (ChrF, {"word_order": 2}),
    (ChrF, {"beta": 3}),
    (ChrF, {"lowercase": True}),
    (ChrF, {"whitespace": True}),
    (ChrF, {"eps_smoothing": True}),
    (SentenceBleu, {"tokenize": "char"}),
    (SentenceBleu, {"lowercase": True}),
    (SentenceBleu, {"smooth_method": "floor"}),
    (SentenceBleu, {"smooth_method": "floor", "smooth_value": 0.2}),
    (SentenceBleu, {"max_ngram_order": 2}),
    (SentenceChrF, {"char_order": 4}),
    (SentenceChrF, {"word_order": 2}),
    (SentenceChrF, {"beta": 3}),
    (SentenceChrF, {"lowercase": True}),
    (SentenceChrF, {"whitespace": True}),
    (SentenceChrF, {"eps_smoothing": True}),
    *((kind, {name: True}) for kind in (Ter, SentenceTer) for name in inspect.signature(kind).parameters),
    (EditSimilarity, {"ignore_case": True}),
    (EditSimilarity, {"strip": False}),
    *((kind, {name: True}) for kind in (Wer, Cer) for name in ("ignore_case", "ignore_punctuation")),
    (Calibration, {"confidence": "per_token"}),
    (Calibration, {"confidence": "stated"}),
    (Calibration, {"confidence": "stated", "field": "sure"}),
    (Calibration, {"confidence": "stated", "answer": "label"}),
    (Calibration, {"bins": 10}),
    (Calibration, {"normalize": "squad"}),
    (Calibration, {"ignore_case": True}),
    (Retrieval, {"retrieved": "found"}),
    (Retrieval, {"relevant": "target"}),
    (Retrieval, {"k": [10]}),
    (Retrieval, {"types": ["hit"]}),
    (CohenKappa, {"weights": "linear", "labels": ["x", "y", "z"]}),
    (CohenKappa, {"labels": ["x", "z"]}),
    (Distinct, {"n": [2]}),
    (Repetition, {"n": [3]}),
    (Length, {"types": ["tokens"]}),
    (Latency, {"types": ["p99"]}),
]


def corpus() -> tuple[list[str | None], list[list[str]]]:
    """Texts and labels, some right, some unparsed, with one to three references."""
    targets = [*EDGE_TEXTS, *random_texts(1, 25, longest=12)]
    texts = [*targets[::2], *random_texts(2, len(targets), longest=12)]
    predictions: list[str | None] = [*texts[: len(targets)]]
    predictions[3::7] = [None] * len(predictions[3::7])
    predictions[4::5] = targets[4::5]
    return predictions, [targets[place : place + 1 + place % 3] for place in range(len(targets))]


@pytest.mark.parametrize("kind", METRICS)
def test_bootstrap_weights_equal_rescoring_the_resampled_list(kind: type[Metric]) -> None:
    predictions, targets = corpus()
    asked = samples(targets)
    bound = kind().bind(asked)
    rows = bound.statistics(generations(predictions), asked)
    rng = np.random.default_rng(6)
    for _ in range(3):
        drawn = rng.integers(0, len(asked), len(asked))
        weights = np.bincount(drawn, minlength=len(asked)).astype(float)
        weighted = bound.aggregate(rows, weights[np.newaxis])
        again = bound.statistics([generation(predictions[i]) for i in drawn], [asked[i] for i in drawn])
        direct = bound.aggregate(again, np.ones((1, len(drawn))))
        np.testing.assert_allclose(weighted, direct, rtol=0, atol=1e-9)


@pytest.mark.parametrize("kind", METRICS)
def test_many_weight_vectors_at_once_equal_one_at_a_time(kind: type[Metric]) -> None:
    predictions, targets = corpus()
    asked = samples(targets)
    bound = kind().bind(asked)
    rows = bound.statistics(generations(predictions), asked)
    weights = np.random.default_rng(7).integers(0, 3, (5, len(asked))).astype(float)
    together = bound.aggregate(rows, weights)
    assert together.shape == (5, len(bound.names))
    for one, row in zip(weights, together, strict=True):
        np.testing.assert_allclose(bound.aggregate(rows, one[np.newaxis])[0], row, rtol=0, atol=1e-12)


@pytest.mark.parametrize("kind", METRICS)
def test_options_of_a_bound_metric_rebuild_it_without_the_data(kind: type[Metric]) -> None:
    predictions, targets = corpus()
    asked = samples(targets)
    bound = kind().bind(asked)
    rows = bound.statistics(generations(predictions), asked)
    rebuilt = kind(**json.loads(json.dumps(bound.options)))
    assert rebuilt.names == bound.names
    assert set(bound.headline) <= set(bound.names)
    ones = np.ones((1, len(rows)))
    np.testing.assert_array_equal(rebuilt.aggregate(rows, ones), bound.aggregate(rows, ones))


@pytest.mark.parametrize("kind", METRICS)
def test_a_batchs_rows_equal_those_of_single_calls(kind: type[Metric]) -> None:
    predictions, targets = corpus()
    asked = samples(targets)
    bound = kind().bind(asked)
    rows = bound.statistics(generations(predictions), asked)
    assert rows.dtype == np.float64
    for place, row in enumerate(rows):
        single = bound.statistics([generation(predictions[place], place)], [asked[place]])
        np.testing.assert_array_equal(single[0], row)


@pytest.mark.parametrize("kind", METRICS)
@pytest.mark.parametrize("trials", [1, 3])
def test_values_lie_on_the_scale_also_with_averaged_trials(kind: type[Metric], trials: int) -> None:
    predictions, targets = corpus()
    asked = samples(targets)
    bound = kind().bind(asked)
    rows = bound.statistics(generations(predictions), asked)
    averaged = np.stack([bound.combine(np.stack([row, *rows[: trials - 1]])) for row in rows])
    values = bound.aggregate(averaged, np.ones((1, len(asked))))
    assert (values >= 0).all()
    if bound.higher_is_better:  # more edits than reference words are a rate above 100
        assert (values <= bound.maximum + 1e-9).all()


@pytest.mark.parametrize("kind", METRICS)
@pytest.mark.parametrize("text", ["The cat sat down on the mat.", "今天天气很好，我们去公园吧。"])
def test_a_perfect_answer_has_the_best_value(kind: type[Metric], text: str) -> None:
    for value in values_of(kind(), [text], [text]).values():
        assert value == pytest.approx(kind.maximum if kind.higher_is_better else 0.0, abs=1e-9)


@pytest.mark.parametrize("kind", METRICS)
def test_bounds_enclose_every_answer_of_a_one_sample_run(kind: type[Metric]) -> None:
    predictions, targets = corpus()
    asked = samples(targets)
    bound = kind().bind(asked)
    one = np.ones((1, 1))
    averages = slice(0, 2) if kind is F1 else slice(None)  # a class's own F1 is no better for another class
    for sample in asked[:12]:
        bounds = bound.bounds(sample)
        assert bounds is not None
        sign = 1.0 if kind.higher_is_better else -1.0
        low, high = (sign * bound.aggregate(edge[np.newaxis], one)[0, averages] for edge in bounds)
        for prediction in predictions[:8]:
            row = bound.statistics([generation(prediction)], [sample])
            value = sign * bound.aggregate(row, one)[0, averages]
            if kind.higher_is_better:  # an answer longer than the reference has no worst edit rate
                assert (value >= low - 1e-9).all()
            # An empty text scores 0 against itself in BLEU, chrF and ROUGE; another reference may be longer.
            if len(sample.references) == 1 and sample.references[0].strip():
                assert (value <= high + 1e-9).all() or math.isnan(float(value.max()))


@pytest.mark.parametrize("kind", METRICS)
def test_a_sample_without_reference_is_named(kind: type[Metric]) -> None:
    asked = samples(["a", None, "b"])
    with pytest.raises(MetricError, match=r'sample "1" has no target'):
        kind().bind(asked)
    bound = kind().bind(asked[:1])
    with pytest.raises(MetricError, match=r'sample "1" has no target'):
        bound.statistics([generation(None, 1)], asked[1:2])


@pytest.mark.parametrize("kind", METRICS)
def test_no_generations_give_no_rows(kind: type[Metric]) -> None:
    bound = kind().bind(samples(["a"]))
    assert len(bound.statistics([], [])) == 0


@pytest.mark.parametrize("kind", METRICS)
def test_a_metric_can_be_pickled_before_and_after_use(kind: type[Metric]) -> None:
    predictions, targets = corpus()
    asked = samples(targets)
    bound = pickle.loads(pickle.dumps(kind())).bind(asked)
    rows = bound.statistics(generations(predictions), asked)
    again = pickle.loads(pickle.dumps(bound)).statistics(generations(predictions), asked)
    np.testing.assert_array_equal(again, rows)


@pytest.mark.parametrize("kind", METRICS)
def test_bind_leaves_the_metric_as_it_was(kind: type[Metric]) -> None:
    metric = kind()
    before = (metric.signature, metric.names)
    metric.bind(samples(["今天", ["b", "c"]]))
    assert (metric.signature, metric.names) == before


@pytest.mark.parametrize("kind", METRICS)
def test_to_bind_again_changes_nothing(kind: type[Metric]) -> None:
    asked = samples(["今天", ["b", "c"]])
    once = kind().bind(asked)
    again = once.bind(asked)
    assert (again.signature, again.names, again.options) == (once.signature, once.names, once.options)


@pytest.mark.parametrize(("kind", "options"), CHANGES)
def test_signature_and_key_change_with_each_option(kind: type[Metric], options: dict[str, Any]) -> None:
    asked = samples(["x", ["y", "z"]])
    if kind is Bleu:  # documents need as many references everywhere
        asked = [replace(one, target=["x"], group="d") for one in asked]
    others = [kind()] + [one(**others) for one, others in CHANGES if one is kind and others != options]
    changed = kind(**options).bind(asked)
    assert changed.signature not in {other.bind(asked).signature for other in others}
    assert changed.key not in {other.bind(asked).key for other in others}


def test_every_option_is_among_the_changes() -> None:
    for kind in dict.fromkeys([*METRICS, *(one for one, _ in CHANGES)]):
        changed = {name for one, options in CHANGES if one is kind for name in options}
        assert changed == set(inspect.signature(kind).parameters)


@pytest.mark.parametrize("kind", METRICS)
def test_key_is_the_signature_without_version(kind: type[Metric]) -> None:
    bound = kind().bind(samples(["a"]))
    assert "version" not in bound.key
    assert bound.signature.startswith(bound.key)


@pytest.mark.parametrize("family", FAMILIES)
def test_config_names_the_class_and_every_option_with_its_default(family: str) -> None:
    path = ROOT / "configs" / "metrics" / f"{family}.yaml"
    first = path.read_text(encoding="utf-8").splitlines()[0]
    assert first.startswith("# ")
    config = OmegaConf.to_container(OmegaConf.load(path), resolve=True)  # without a dataset's own options
    assert isinstance(config, dict)
    assert list(config) == [family]
    options = dict(config[family])
    module, _, name = options.pop("_target_").rpartition(".")
    kind = getattr(import_module(module), name)
    parameters = inspect.signature(kind).parameters.values()
    assert all(one.kind is inspect.Parameter.KEYWORD_ONLY for one in parameters)
    defaults = {
        one.name: list(one.default) if isinstance(one.default, tuple) else one.default for one in parameters
    }
    assert options == defaults
    assert kind(**options).signature == kind().signature


def test_importing_the_metrics_loads_no_heavy_package() -> None:
    modules = {kind.__module__ for kind in METRICS}
    code = "import sys\n" + "".join(f"import {module}\n" for module in modules)
    code += "print([name for name in ('rouge_score', 'nltk', 'sacrebleu', 'absl') if name in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


@pytest.mark.parametrize("kind", METRICS)
@pytest.mark.parametrize("long_side", ["prediction", "target"])
def test_ten_thousand_words_on_one_side_are_scored(kind: type[Metric], long_side: str) -> None:
    long, short = "word after word " * 3334, "a word or two"
    prediction, target = (long, short) if long_side == "prediction" else (short, long)
    values = values_of(kind(), [prediction], [target]).values()
    if kind.higher_is_better:
        assert all(0 <= value < kind.maximum for value in values)
    else:
        assert all(value > 0.9 * kind.maximum for value in values)
