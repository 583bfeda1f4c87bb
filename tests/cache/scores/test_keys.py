"""Kept scores: whatever could make a row stale is a miss."""

from __future__ import annotations

import ast
import importlib
import os
import pkgutil
import shutil
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from kept_scores import KEPT, rows_of, scored
from metrics.material import generation, generations, samples

import evalkit.metrics
from evalkit.cache.score_keys import CODE, ROOT, digests_of, maker_of
from evalkit.cache.scores import ScoreStore
from evalkit.metrics.accuracy import Accuracy
from evalkit.metrics.base import Metric, of_texts_alone
from evalkit.metrics.bleu import Bleu
from evalkit.metrics.chrf import ChrF
from evalkit.metrics.diversity import Length
from evalkit.metrics.exact_match import ExactMatch
from evalkit.metrics.f1 import F1
from evalkit.metrics.fields import Fields
from evalkit.metrics.judge_score import JudgeScore
from evalkit.metrics.kappa import CohenKappa
from evalkit.metrics.latency import Latency
from evalkit.metrics.part import Part
from evalkit.metrics.prepared import metric_from
from evalkit.metrics.slots import Slots
from evalkit.metrics.token_f1 import TokenF1
from evalkit.records import Generation, Response, Sample

NOT_KEPT: list[Metric] = [
    *(Latency(), Length(), JudgeScore(), Bleu(level="document"), Bleu(tokenize="flores200")),
    *(Fields(schema="schema"), Part(field="a", metric=Length())),
]


def test_another_option_is_a_miss(path: Path) -> None:
    assert scored(path, ExactMatch(), ["A"], ["a"]) == 1
    assert scored(path, ExactMatch(ignore_case=True), ["A"], ["a"]) == 1
    assert scored(path, ExactMatch(), ["A"], ["a"]) == 0


def test_what_is_bound_to_the_data_is_an_option(path: Path) -> None:
    assert scored(path, F1(), ["yes"], ["yes"]) == 1
    assert scored(path, F1(), ["yes", "no"], ["yes", "no"]) == 2
    assert scored(path, TokenF1(), ["yes"], ["yes"]) == 1
    assert scored(path, TokenF1(), ["yes", "是"], ["yes", "是"]) == 2


def test_another_target_is_a_miss(path: Path) -> None:
    assert scored(path, ExactMatch(), ["a"], ["a"]) == 1
    assert scored(path, ExactMatch(), ["a"], ["b"]) == 1
    assert scored(path, ExactMatch(), ["a"], [["a"]]) == 1
    assert scored(path, ExactMatch(), ["a"], [["a", "b"]]) == 1


def test_the_last_turns_target_counts_only_in_a_conversation(path: Path) -> None:
    """Of a target as long as the turns the last is the reference; else each of it is."""
    answer = [generation("first")]
    alone = [Sample("0", {"text": "?"}, ["first", "last"])]
    talk = [Sample("0", {"turns": ["a", "b"]}, ["first", "last"])]
    assert rows_of(path, ExactMatch(), answer, alone)[0][0, 0] == 1.0
    assert rows_of(path, ExactMatch(), answer, talk)[0][0, 0] == 0.0


def test_only_equal_values_have_equal_digests() -> None:
    values: list[Any] = [None, "", "None", "null", "1", 1, 1.0, True, "true", 0, -0.0, 0.0, False, [], {}, ()]
    values += ["a", ["a"], ("a",), [["a"]], {"a": None}, {"a": {}}, {"a": []}, "é", "e\u0301", "a\x00", "a "]
    values += [{"a": 1, "b": 2}, {"b": 2, "a": 1}, {"a": 1.0, "b": 2}, ["a", "b"], ["ab"], "\ud83d", 2**70]
    pairs = [(one, other) for one in values for other in values]
    found = digests_of(
        [generation(one) for one, _ in pairs], [Sample("0", {"text": "?"}, other) for _, other in pairs]
    )
    assert None not in found
    assert len(set(found)) == len(pairs)
    unparsed = Generation("0", 0, Response("raw"), None, "why")
    answered = Generation("0", 0, Response("raw"), None, None)
    one, other = digests_of([unparsed, answered], samples(["a", "a"]))
    assert one != other


def test_why_there_is_no_prediction_and_who_was_asked_are_no_part_of_a_digest() -> None:
    one = Generation("0", 0, Response("raw"), None, "no letter")
    other = Generation("1", 3, Response("else", finish_reason="stop"), None, "no number")
    first, second = digests_of([one, other], [Sample("0", {"a": 1}, "x"), Sample("1", {"b": 2}, "x")])
    assert first == second


class Shouted(str):
    __slots__ = ()


def test_what_has_no_plain_spelling_is_scored_and_not_kept(path: Path) -> None:
    odd: list[Any] = [Shouted("a"), {1: "a"}, [Shouted("a")], {"a": np.float64(1.0)}]
    nested: Any = []
    for _ in range(900):
        nested = [nested]
    texts = [*odd, nested, "a"]
    assert scored(path, Accuracy(), texts[:2], ["a"] * 2) == 2
    assert scored(path, Accuracy(), texts[:2], ["a"] * 2) == 2
    digests = digests_of(generations(texts[:4]), samples(["a"] * 4))
    assert digests == [None] * 4


@pytest.mark.parametrize("metric", NOT_KEPT, ids=lambda one: type(one).__name__)
def test_metrics_of_more_than_texts_are_not_kept(metric: Metric) -> None:
    assert maker_of(metric) is None


def test_prepared_texts_are_not_kept() -> None:
    steps = {"preprocess": ["lower"]}
    metric = metric_from("evalkit.metrics.exact_match.ExactMatch", steps, "metrics.exact_match")
    assert maker_of(metric) is None


class Mine(ExactMatch):
    """A third party's: its code changes without its signature."""


def test_a_third_partys_metric_is_not_kept(path: Path) -> None:
    assert not of_texts_alone(Mine())
    assert scored(path, Mine(), ["a"], ["a"]) == 1
    assert scored(path, Mine(), ["a"], ["a"]) == 1


def test_which_metrics_depend_on_texts_alone() -> None:
    """A metric is put here after its code was read: a row that depends on more would be stale one day."""
    found = set()
    for one in pkgutil.walk_packages(evalkit.metrics.__path__, "evalkit.metrics."):
        module = importlib.import_module(one.name)
        found |= {
            cls
            for cls in vars(module).values()
            if isinstance(cls, type)
            and issubclass(cls, Metric)
            and cls.__module__ == one.name
            and cls.rows_from_texts is not False
            and not cls.__name__.startswith("_")
        }
    chosen = {type(metric) for metric in KEPT}
    assert found == chosen | {F1, CohenKappa, Fields, Slots, Part}


def test_rows_of_the_kept_metrics_depend_on_code_that_is_hashed() -> None:
    """Whatever of evalkit they import, inside of functions too, and what that imports."""
    kinds = {type(metric).__module__ for metric in KEPT} | {"evalkit.metrics.f1", "evalkit.metrics.kappa"}
    kinds |= {"evalkit.metrics.fields", "evalkit.metrics.slots", "evalkit.metrics.part"}
    waiting, seen = list(kinds), set(kinds)
    while waiting:
        file = _file(waiting.pop())
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("evalkit"):
                names = {node.module or "", *(f"{node.module}.{alias.name}" for alias in node.names)}
                new = {name for name in names if _file(name).is_file()} - seen
                waiting += new
                seen |= new
    outside = {str(_file(one).relative_to(ROOT)) for one in seen if not one.startswith("evalkit.metrics")}
    assert outside == set(CODE)


def _file(module: str) -> Path:
    return ROOT.parent.joinpath(*module.split(".")).with_suffix(".py")


SCORE = """
import sys
from pathlib import Path
from evalkit.cache.scores import ScoreStore
from evalkit.metrics.exact_match import ExactMatch
from evalkit.metrics.chrf import ChrF
from evalkit.records import Generation, Response, Sample
import evalkit
assert evalkit.__file__.startswith(sys.argv[1]), evalkit.__file__
def rows(text):
    store = ScoreStore(sys.argv[2])
    found = store.rows(ExactMatch(), [Generation("0", 0, Response(text), text)], [Sample("0", {}, "a")])
    print(store.scored, int(found[0, 0]))
    store.close()
"""


def _with_own_code(folder: Path, path: Path, script: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", SCORE + script, str(folder), str(path)],
        env={**os.environ, "PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"},
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return done.stdout.splitlines()


@pytest.fixture
def code(tmp_path: Path) -> Path:
    """A copy of the package, to be changed."""
    folder = tmp_path / "code"
    shutil.copytree(ROOT, folder / "evalkit", ignore=shutil.ignore_patterns("__pycache__"))
    return folder


def _edit(folder: Path, file: str, old: str, new: str) -> None:
    place = folder / "evalkit" / file
    text = place.read_text("utf-8")
    assert old in text
    place.write_text(text.replace(old, new), "utf-8")


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("metrics/exact_match.py", "float(any(", "float(not any("),
        ("metrics/text.py", '"""What several', '"""  What several'),
        ("metrics/constraints/checks.py", "from __future__", "\nfrom __future__"),
        ("records.py", '"""The records', '"""  The records'),
        ("__init__.py", '__version__ = "', '__version__ = "9'),
    ],
)
def test_a_change_of_the_code_is_a_miss(code: Path, path: Path, file: str, old: str, new: str) -> None:
    assert _with_own_code(code, path, "rows('a')") == ["1 1"]
    assert _with_own_code(code, path, "rows('a')") == ["0 1"]
    _edit(code, file, old, new)
    right = 0 if "not any" in new else 1
    assert _with_own_code(code, path, "rows('a')") == [f"1 {right}"]
    assert _with_own_code(code, path, "rows('a')") == [f"0 {right}"]


def test_code_that_is_edited_while_it_runs_keeps_and_finds_nothing(code: Path, path: Path) -> None:
    """Which of the two is loaded, nobody knows."""
    edit = (
        "rows('a')\n"
        "file = Path(sys.argv[1], 'evalkit/metrics/exact_match.py')\n"
        "file.write_text(file.read_text() + '\\n')\n"
        "rows('a')\nrows('b')"
    )
    assert _with_own_code(code, path, edit) == ["1 1", "1 1", "1 0"]
    assert _with_own_code(code, path, "rows('b')") == ["1 0"]


def test_another_librarys_version_is_another_metric(monkeypatch: pytest.MonkeyPatch) -> None:
    before = maker_of(ChrF())
    monkeypatch.setattr("evalkit.metrics.chrf.version", lambda _: "0.0")
    after = maker_of(ChrF())
    assert before is not None
    assert after is not None
    assert before.number != after.number


def test_answers_that_are_replaced_in_a_list_have_digests_of_their_own(path: Path) -> None:
    answers, asked = generations(["a", "b"]), samples(["a", "a"])
    with closing(ScoreStore(path)) as store:
        assert store.rows(ExactMatch(), answers, asked)[:, 0].tolist() == [1.0, 0.0]
        answers[0] = generation("c")
        asked[1] = Sample("1", {}, "b")
        assert store.rows(ExactMatch(), answers, asked)[:, 0].tolist() == [0.0, 1.0]
