"""Any metric of `evaluate` as one of ours; real modules from files, no network."""

from __future__ import annotations

import json
import os
import pickle
from pathlib import Path
from typing import Any

import evaluate_scripts as scripts
import numpy as np
import pytest
from evaluate_scripts import modules_kept
from metrics.material import generations, samples

from evalkit.errors import MetricError
from evalkit.evaluate_modules import ALLOW_VARIABLE
from evalkit.metrics.base import MeanMetric, statistics_of
from evalkit.metrics.evaluate import Evaluate, EvaluateMean, EvaluateWhole
from evalkit.metrics.prepared import metric_from
from evalkit.reading import Counts
from evalkit.report.make import family_of
from evalkit.scoring import Resampling, aggregate

__all__ = ["modules_kept"]


@pytest.fixture(autouse=True)
def modules(modules_kept: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ALLOW_VARIABLE, "")


def allow(path: str, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv(ALLOW_VARIABLE, os.pathsep.join(filter(None, (os.environ[ALLOW_VARIABLE], path))))
    return path


def values(metric: Any, predictions: list[Any], targets: list[Any]) -> dict[str, float]:
    asked = samples(targets)
    bound = metric.bind(asked)
    rows = statistics_of(bound, generations(predictions), asked)
    found = bound.aggregate(rows, np.ones((1, len(rows))))[0]
    return dict(zip(bound.names, found.tolist(), strict=True))


@pytest.fixture
def letters(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    return allow(scripts.letters(tmp_path), monkeypatch)


@pytest.fixture
def equal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    return allow(scripts.equal(tmp_path), monkeypatch)


def test_lists_make_a_mean_metric(letters: str) -> None:
    """abc against abd: two of three letters each way."""
    metric = Evaluate(path=letters)
    bound = metric.bind(samples(["abd"]))
    assert isinstance(bound, EvaluateMean)
    assert isinstance(bound, MeanMetric)
    assert bound.names == ("letters_f1", "letters_precision", "letters_recall")
    found = values(metric, ["abc", "xyz"], ["abd", "xyz"])
    assert found == pytest.approx(dict.fromkeys(bound.names, (2 / 3 + 1) / 2))


def test_values_are_chosen_and_named(letters: str) -> None:
    assert values(Evaluate(path=letters, values=["f1"]), ["ab"], ["ab"]) == {"f1": 1.0}
    named = Evaluate(path=letters, values={"recall": "found", "f1": "letter_f1"}, kwargs={"scale": 100})
    assert values(named, ["a"], ["ab"]) == pytest.approx({"letter_f1": 100 * 2 / 3, "found": 50.0})


def test_a_single_number_is_of_the_whole_run(equal: str) -> None:
    asked = samples(["a", "b", "c", "d"])
    bound = Evaluate(path=equal).bind(asked)
    assert isinstance(bound, EvaluateWhole)
    assert (bound.per_sample, bound.headline, bound.names) == (False, (), ("equal",))
    rows = statistics_of(bound, generations(["a", "b", "x", None]), asked)
    assert rows.tolist() == [[0.5, 4.0, 1.0]] * 4
    [found] = aggregate(bound, rows, None, Counts(4, 0, 1), Resampling())
    assert (found.value, found.low, found.high, found.interval) == (0.5, None, None, "none")
    # A part of the run, or a resampling, has none.
    assert np.isnan(bound.aggregate(rows[:2], np.ones((1, 2)))).all()
    assert np.isnan(bound.aggregate(rows, np.array([[1, 1, 2, 0.0]]))).all()


def test_trials_of_a_sample_count_each_in_the_value_of_the_run(equal: str) -> None:
    asked = samples(["a", "b"])
    bound = Evaluate(path=equal).bind(asked)
    four = [*generations(["a", "x"]), *generations(["a", "b"])]
    rows = bound.statistics(four, [*asked, *asked])
    combined = np.stack([bound.combine(rows[[0, 2]]), bound.combine(rows[[1, 3]])])
    assert bound.aggregate(combined, np.ones((1, 2)))[0, 0] == 0.75


def test_each_answer_alone_makes_a_mean_of_any_metric(equal: str) -> None:
    bound = Evaluate(path=equal, mode="each").bind(samples(["a"]))
    assert isinstance(bound, EvaluateMean)
    rows = bound.statistics(generations(["a", "x", None]), samples(["a", "b", "c"]))
    assert rows.tolist() == [[1.0, 1.0], [0.0, 1.0], [0.0, 1.0]]


def test_a_thousand_answers_are_scored_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    body = 'return {"n": len(predictions)}'
    path = allow(scripts.make(tmp_path, "counting", body), monkeypatch)
    assert values(Evaluate(path=path), ["a"] * 1500, ["a"] * 1500) == {"counting_n": 1500.0}


def test_unparsed_answers_are_the_worst(letters: str) -> None:
    assert values(Evaluate(path=letters, values=["f1"]), ["ab", None], ["ab", "ab"]) == {"f1": 0.5}
    lower = Evaluate(path=letters, values=["f1"], higher_is_better=False, maximum=1)
    assert values(lower, ["x", None], ["ab", "ab"]) == {"f1": 0.5}


def test_labels_become_numbers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = allow(scripts.labels(tmp_path), monkeypatch)
    metric = Evaluate(path=path, values=["accuracy", "highest"])
    targets = ["yes", "no", "maybe", "no"]
    assert values(metric, ["yes", " no ", "never", None], targets) == {"accuracy": 0.5, "highest": 2.0}
    assert values(metric, ["7", "3"], ["7", "9"]) == {"accuracy": 0.5, "highest": 9.0}


def test_numbers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = allow(scripts.error(tmp_path), monkeypatch)
    metric = Evaluate(path=path, higher_is_better=False)
    assert values(metric, ["1.5", "2"], ["1", "2"]) == {"error_mse": 0.125}
    with pytest.raises(MetricError, match="error takes numbers, and sample \"1\" has 'two'"):
        values(metric, ["1", "two"], ["1", "2"])


def test_several_references(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, equal: str) -> None:
    path = allow(scripts.any_of(tmp_path), monkeypatch)
    assert values(Evaluate(path=path), ["a", "c"], [["a", "b"], "c"]) == {"any_of": 1.0, "any_of_lists": 2.0}
    assert values(Evaluate(path=path), ["a"], ["a"])["any_of_lists"] == 0.0
    with pytest.raises(MetricError, match='equal takes one reference, and sample "0" has 2'):
        values(Evaluate(path=equal), ["a"], [["a", "b"]])


def test_further_columns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = allow(scripts.sourced(tmp_path), monkeypatch)
    metric = Evaluate(path=path, inputs={"sources": "text"})  # which is "?" in each of these samples
    assert values(metric, ["?", "b"], ["a", "b"]) == {"sourced_copied": 0.5}
    with pytest.raises(MetricError, match=r"sourced asks for a column sources; name the field that holds it"):
        values(Evaluate(path=path), ["a"], ["b"])
    with pytest.raises(MetricError, match='sample "0" has no field "txt"'):
        values(Evaluate(path=path, inputs={"sources": "txt"}), ["a"], ["b"])


def test_a_measurement_needs_no_target(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = allow(scripts.length(tmp_path), monkeypatch)
    assert values(Evaluate(path=path, maximum=100), ["abc", "a"], [None, None]) == {
        "length_average_length": 2.0
    }


def test_what_it_draws_at_random_is_the_same_every_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = allow(scripts.drawn(tmp_path), monkeypatch)
    first = values(Evaluate(path=path), ["a"], ["a"])
    np.random.rand(3)  # noqa: NPY002 - the generator that modules draw from
    assert values(Evaluate(path=path), ["a"], ["a"]) == first


def test_signature_names_script_options_and_version(letters: str) -> None:
    metric = Evaluate(path=letters, values=["f1"], kwargs={"scale": 2.0}, config_name="x")
    bound = metric.bind(samples(["a"]))
    parts = dict(part.partition(":")[::2] for part in bound.signature.split("|"))
    assert parts.pop("script") == bound.script[:12]
    assert parts == {
        "evaluate": "letters",
        "config": "x",
        "mode": "whole",
        "values": "f1",
        "kwargs": "scale=2.0",
        "version": "0.4.6",
    }
    assert bound.key == bound.signature.removesuffix("|version:0.4.6")


@pytest.mark.parametrize("which", ["letters", "equal"])
def test_a_report_rebuilds_it_without_running_the_module(
    which: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = samples(["ab", "cd"])
    bound = Evaluate(path=request.getfixturevalue(which)).bind(asked)
    rows = bound.statistics(generations(["ab", "c"]), asked)
    stored = json.loads(json.dumps(family_of(bound)))
    monkeypatch.setenv(ALLOW_VARIABLE, "")
    again = metric_from(stored["target"], stored["options"], "metrics.evaluate").bind(asked)
    assert (again.names, again.key, again.maximum) == (bound.names, bound.key, bound.maximum)
    ones = np.ones((1, 2))
    np.testing.assert_array_equal(again.aggregate(rows, ones), bound.aggregate(rows, ones))
    assert pickle.loads(pickle.dumps(again)).signature == bound.signature
    with pytest.raises(MetricError, match="is code that would be run, so no file can ask for it"):
        again.statistics(generations(["ab", "c"]), asked)


def test_another_script_is_another_metric(tmp_path: Path, letters: str) -> None:
    asked = samples(["ab"])
    bound = Evaluate(path=letters).bind(asked)
    script = tmp_path / "letters" / "letters.py"
    script.write_text(script.read_text("utf-8").replace("2 * a * b", "3 * a * b"), "utf-8")
    os.utime(script, ns=(1, 1))
    with pytest.raises(
        MetricError, match="the script of letters is another one than this metric was bound to"
    ):
        bound.statistics(generations(["ab"]), asked)
    assert Evaluate(path=letters).bind(asked).key != bound.key


def test_steps_come_before_it(equal: str) -> None:
    target = "evalkit.metrics.evaluate.Evaluate"
    metric = metric_from(target, {"path": equal, "preprocess": ["lower"]}, "metrics.evaluate")
    assert values(metric, ["A"], ["a"]) == {"equal": 1.0}
    bound = metric.bind(samples(["a"]))
    assert "|pre:lower|version:" in bound.signature
    stored = family_of(bound)
    again = metric_from(stored["target"], stored["options"], "metrics.evaluate")
    assert (again.key, again.per_sample) == (bound.key, False)


def test_without_permission_nothing_is_run(tmp_path: Path) -> None:
    path = scripts.make(tmp_path, "spy", "return {}")
    (tmp_path / "spy" / "spy.py").write_text(f"open({str(tmp_path / 'was-run')!r}, 'w')", "utf-8")
    with pytest.raises(MetricError, match=f"or --allow-evaluate {path}, or export EVALKIT_EVALUATE="):
        Evaluate(path=path).bind(samples(["a"]))
    assert not (tmp_path / "was-run").exists()


def test_permission_for_a_place_holds_however_it_is_written(
    tmp_path: Path, equal: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for path in ("./equal", "equal/../equal/equal.py"):
        with pytest.raises(MetricError, match="is code that would be run"):
            Evaluate(path="./other").bind(samples(["a"]))
        monkeypatch.setenv(ALLOW_VARIABLE, path)
        assert values(Evaluate(path=path), ["a"], ["a"]) == {"equal": 1.0}


def test_a_name_never_means_a_folder_that_is_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scripts.make(tmp_path, "meteor", 'return {"meteor": 1.0}')
    monkeypatch.chdir(tmp_path)
    allow("meteor", monkeypatch)
    with pytest.raises(
        MetricError, match=r"meteor is a name of the hub's, .* write \./meteor for the folder"
    ):
        Evaluate(path="meteor").bind(samples(["a"]))


def test_offline_a_name_is_told_as_such(monkeypatch: pytest.MonkeyPatch) -> None:
    import evaluate

    def away(*_: object, **__: object) -> None:
        raise FileNotFoundError(
            "Couldn't find a module script. Module 'meteor' doesn't exist on the Hub either."
        )

    monkeypatch.setattr(evaluate, "load", away)
    allow("meteor", monkeypatch)
    with pytest.raises(MetricError) as caught:
        Evaluate(path="meteor").bind(samples(["a"]))
    assert str(caught.value) == (
        "evaluate: metric meteor is not in a local folder and the hub cannot be reached, or has none of that "
        "name; give a path: metrics.evaluate.path=./FOLDER"
    )


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ('raise LookupError("no words\\nx")', "broken cannot score these answers (LookupError: no words)"),
        ('return {"told": "text"}', "broken gives no number but told"),
        ('return {"a": [1.0] * len(predictions), "b": 1.0}', None),
        ("import nowhere_at_all", "broken cannot score these answers (ModuleNotFoundError:"),
        ('return {"a": [float("nan")] * len(predictions)}', "gave an answer a value that is no number"),
    ],
)  # fmt: skip
def test_what_goes_wrong_is_told_in_a_line(
    body: str, said: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = allow(scripts.make(tmp_path, "broken", body), monkeypatch)
    if said is None:
        with pytest.raises(MetricError, match="of a, b some are lists, a number for each answer, and"):
            Evaluate(path=path, values=["a", "b"]).bind(samples(["a"]))
        return
    with pytest.raises(MetricError) as caught:
        values(Evaluate(path=path), ["a"], ["a"])
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_other_mistakes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, letters: str) -> None:
    with pytest.raises(MetricError, match='no number or list of numbers "f2"; it gives f1, precision'):
        Evaluate(path=letters, values=["f2"]).bind(samples(["a"]))
    with pytest.raises(MetricError, match='unknown mode "both"'):
        Evaluate(path=letters, mode="both")
    with pytest.raises(MetricError, match=r"there is no file .*none/none\.py"):
        Evaluate(path=allow(str(tmp_path / "none"), monkeypatch)).bind(samples(["a"]))
    path = tmp_path / "needy" / "needy.py"
    path.parent.mkdir()
    path.write_text("import evaluate\nimport nowhere_at_all\n", "utf-8")
    with pytest.raises(MetricError, match="needs packages that are not here"):
        Evaluate(path=allow(str(path), monkeypatch)).bind(samples(["a"]))
    odd = "datasets.Features({'predictions': {'id': TEXT}, 'references': TEXT})"
    path = tmp_path / "odd"
    scripts.make(tmp_path, "odd", "return {}", features=odd)
    with pytest.raises(MetricError, match=r"odd takes predictions as .*; what can be given to it here are"):
        Evaluate(path=allow(str(path), monkeypatch)).bind(samples(["a"]))
    with pytest.raises(MetricError, match='sample "0" has no target'):
        Evaluate(path=letters).bind(samples([None]))
