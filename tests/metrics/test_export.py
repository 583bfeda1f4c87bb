"""Metrics of evalkit through `evaluate.load`: the values of a run on the same texts."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from commands import Commands, evalkit
from evaluate_scripts import modules_kept
from metrics.material import values_of
from metrics.test_contract import corpus

from evalkit.config.compose import load
from evalkit.config.scores import build_metrics
from evalkit.metrics.code import PassAtK
from evalkit.metrics.export import compute

__all__ = ["evalkit", "modules_kept"]

EXPORTED = ("rouge", "bleu", "chrf", "ter", "exact_match", "token_f1", "accuracy", "f1", "sentence_bleu")


@pytest.fixture(autouse=True)
def modules(modules_kept: None) -> None:
    """Every test here loads some."""


def exported(evalkit: Commands, name: str, *overrides: str) -> Any:
    import evaluate

    ran = evalkit("metrics", "export", name, "exported", *overrides)
    assert ran.code == 0, ran.err
    path = Path(ran.out.strip())
    assert path == Path("exported", name, f"{name}.py")
    return evaluate.load(os.fspath(path.parent))


def texts() -> tuple[list[str], list[list[str]]]:
    """Any texts that Arrow can hold, one to three references, about half of the answers right."""
    predictions, targets = corpus()
    made = ["" if one is None else one.encode("utf-8", "replace").decode() for one in predictions]
    return made, [[one.encode("utf-8", "replace").decode() for one in some] for some in targets]


@pytest.mark.parametrize("name", EXPORTED)
def test_values_are_those_of_a_run(name: str, evalkit: Commands) -> None:
    predictions, targets = texts()
    module = exported(evalkit, name)
    metric = build_metrics(load([f"metrics=[{name}]"]).metrics)[name]
    assert module.compute(predictions=predictions, references=targets) == values_of(
        metric, predictions, targets
    )
    single = [some[0] for some in targets]
    found = module.compute(predictions=predictions, references=single)
    assert found == values_of(metric, predictions, single)


def test_options_are_those_of_the_export_and_of_the_call(evalkit: Commands) -> None:
    module = exported(evalkit, "rouge", "metrics.rouge.types=[rouge1]", "metrics.rouge.preprocess=[lower]")
    pair = {"predictions": ["Running"], "references": ["runs"]}
    assert module.compute(**pair) == {"rouge1": 0.0}
    assert module.compute(**pair, use_stemmer=True) == {"rouge1": 1.0}
    assert module.compute(**pair, types=["rougeL"]) == {"rougeL": 0.0}


def test_chinese(evalkit: Commands) -> None:
    text = ["今天天气很好，我们去公园吧。"]
    assert exported(evalkit, "bleu").compute(predictions=text, references=text)["bleu"] == pytest.approx(100)


def test_trials_and_inputs_of_a_metric_that_needs_them(evalkit: Commands) -> None:
    """Of two programs one passes: pass@1 is 1/2."""
    from sandboxed import need_sandbox

    need_sandbox()
    module = exported(evalkit, "pass_at_k", "metrics.pass_at_k.k=[1,2]")
    inputs = [{"prompt": "def f(x):\n", "test": "assert f(1) == 1", "entry_point": "f"}]
    found = module.compute(predictions=[["    return x", "    return 2"]], inputs=inputs)
    assert found == {"pass@1": 0.5, "pass@2": 1.0}


def test_it_can_be_used_as_one_of_evaluates_own_by_evalkit(evalkit: Commands, monkeypatch: Any) -> None:
    from evalkit.metrics.evaluate import Evaluate

    exported(evalkit, "token_f1")
    monkeypatch.setenv("EVALKIT_EVALUATE", "./exported/token_f1")
    found = values_of(Evaluate(path="./exported/token_f1"), ["x b", "c"], [["x c"], ["c", "d"]])
    assert found == {"token_f1": 0.75}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("rogue", "x"), 'no metric "rogue" to export (did you mean "rouge"?)'),
        (("evaluate", "x"), 'no metric "evaluate" to export'),
        (("rouge", "x", "trials=2"), "trials=2: export takes options of the metric"),
        (("rouge", "x", "metrics.rouge.stem=true"), "metrics.rouge.stem"),
    ],
)
def test_mistakes(words: tuple[str, ...], said: str, evalkit: Commands) -> None:
    assert said in evalkit("metrics", "export", *words).error


def test_a_file_of_somebody_elses_stays(evalkit: Commands) -> None:
    place = evalkit.folder / "x" / "rouge" / "rouge.py"
    place.parent.mkdir(parents=True)
    place.write_text("mine", "utf-8")
    assert "was not written by evalkit" in evalkit("metrics", "export", "rouge", "x").error
    assert place.read_text("utf-8") == "mine"
    assert (
        evalkit("metrics", "export", "rouge", "y").code
        == evalkit("metrics", "export", "rouge", "y").code
        == 0
    )


def test_lengths_must_agree() -> None:
    target = f"{PassAtK.__module__}.PassAtK"
    with pytest.raises(ValueError, match="2 predictions, and 1 inputs"):
        compute(target, {}, ["a", "b"], inputs=[{}])
