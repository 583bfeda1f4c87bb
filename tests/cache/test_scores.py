"""Kept scores: what is looked up is what would be scored, and whatever could make it stale is a miss."""

from __future__ import annotations

import ast
import importlib
import os
import pkgutil
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from metrics.material import EDGE_TEXTS, generation, generations, random_texts, samples

import evalkit.metrics
from evalkit.cache.score_file import APPLICATION_ID, beside, kept
from evalkit.cache.score_keys import CODE, ROOT, digests_of, maker_of
from evalkit.cache.scores import ScoreStore
from evalkit.metrics.abstention import Abstention
from evalkit.metrics.accuracy import Accuracy
from evalkit.metrics.base import Metric, of_texts_alone, statistics_of
from evalkit.metrics.bleu import Bleu
from evalkit.metrics.chrf import ChrF
from evalkit.metrics.diversity import Distinct, Length, Repetition
from evalkit.metrics.edit import Cer, EditSimilarity, Wer
from evalkit.metrics.exact_match import ExactMatch
from evalkit.metrics.f1 import F1
from evalkit.metrics.fields import Fields
from evalkit.metrics.judge_score import JudgeScore
from evalkit.metrics.kappa import CohenKappa
from evalkit.metrics.latency import Latency
from evalkit.metrics.numeric_match import NumericMatch
from evalkit.metrics.part import Part
from evalkit.metrics.prepared import metric_from
from evalkit.metrics.rouge import Rouge
from evalkit.metrics.sentence import SentenceBleu, SentenceChrF, SentenceTer
from evalkit.metrics.slots import Slots
from evalkit.metrics.ter import Ter
from evalkit.metrics.token_f1 import TokenF1
from evalkit.records import Generation, Response, Sample

KEPT: list[Metric] = [
    *(ExactMatch(), ExactMatch(normalize="squad", no_answer="none"), Accuracy(), TokenF1(), Abstention()),
    *(NumericMatch(symbolic=True), EditSimilarity(), Wer(), Cer(), Distinct(), Repetition()),
    *(Rouge(), Rouge(types=["rouge2"], use_stemmer=True, tokenizer="unicode")),
    *(Bleu(), Bleu(tokenize="char", smooth_method="floor"), ChrF(word_order=2), Ter()),
    *(SentenceBleu(), SentenceChrF(), SentenceTer()),
]
LABELS = ("yes", "no", "perhaps", "yes ", "none of them")
STRUCTURES: list[Any] = [{"a": 1, "slots": {"b": "x"}}, {"slots": {}}, {"a": [1, 2], "slots": {"b": ["y"]}}]
NOT_KEPT: list[Metric] = [
    *(Latency(), Length(), JudgeScore(), Bleu(level="document"), Bleu(tokenize="flores200")),
    *(Fields(schema="schema"), Part(field="a", metric=Length())),
]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "kept" / "scores.sqlite"


def rows_of(
    path: Path, metric: Metric, answers: Sequence[Generation], asked: Sequence[Sample]
) -> tuple[Any, int]:
    """The rows by a store that is opened for them, and how many of them were scored."""
    said: list[str] = []
    store = ScoreStore(path, say=said.append)
    try:
        rows = store.rows(metric.bind(asked), answers, asked)
    finally:
        store.close()
    assert not said
    assert store.looked_up == len(answers)
    return rows, store.scored


def scored(path: Path, metric: Metric, predictions: Sequence[Any], targets: Sequence[Any]) -> int:
    asked = samples(targets)
    return rows_of(path, metric, generations(predictions), asked)[1]


@pytest.mark.parametrize("metric", KEPT, ids=lambda one: f"{type(one).__name__} {one.options}"[:60])
def test_kept_rows_are_those_that_would_be_scored(metric: Metric, path: Path) -> None:
    texts = [*EDGE_TEXTS, *random_texts(1, 60), None, None, "42", "the answer is 42"]
    targets: list[Any] = [*random_texts(2, 40), *EDGE_TEXTS]
    targets += [[one, "the second"] for one in random_texts(3, len(texts) - len(targets))]
    asked, answers = samples(targets), generations(texts)
    wanted = statistics_of(metric.bind(asked), answers, asked)
    half, first = rows_of(path, metric, answers[::2], asked[::2])
    # Options that are bound to the data, like the number of references, may be others for half of it.
    whole, second = rows_of(path, metric, answers, asked)
    again, third = rows_of(path, metric, answers, asked)
    backwards, fourth = rows_of(path, metric, answers[::-1], asked[::-1])
    assert first > 0
    assert second > 0
    assert third == fourth == 0
    for rows, place in ((whole, slice(None)), (again, slice(None)), (backwards, slice(None, None, -1))):
        assert rows.tobytes() == wanted[place].tobytes()
        assert rows.dtype == wanted.dtype
    assert half.shape[1] == wanted.shape[1]
    again[0, 0] = 7.0  # may be written to, like any other


@pytest.mark.parametrize("metric", [F1(), F1(labels=["no", "yes"]), CohenKappa(), Accuracy()])
def test_rows_of_labels(metric: Metric, path: Path) -> None:
    asked, answers = samples(LABELS * 4), generations([*LABELS * 3, None, "other", 1, True, ["yes"]])
    wanted = statistics_of(metric.bind(asked), answers, asked)
    assert rows_of(path, metric, answers, asked)[1] > 0
    rows, again = rows_of(path, metric, answers, asked)
    assert again == 0
    assert rows.tobytes() == wanted.tobytes()


@pytest.mark.parametrize("metric", [Fields(), Fields(schema={"type": "object"}), Slots(), Part(field="a")])
def test_rows_of_structures(metric: Metric, path: Path) -> None:
    asked, answers = samples(STRUCTURES * 2), generations([*STRUCTURES, None, '{"a": 1}', [1]])
    wanted = statistics_of(metric.bind(asked), answers, asked)
    assert rows_of(path, metric, answers, asked)[1] > 0
    rows, again = rows_of(path, metric, answers, asked)
    assert again == 0
    assert rows.tobytes() == wanted.tobytes()


def test_without_a_store_everything_is_scored() -> None:
    asked, answers = samples(["a"] * 2100), generations(["a"] * 2100)
    rows = statistics_of(ExactMatch(), answers, asked)
    assert rows.shape == (2100, 2)
    assert statistics_of(ExactMatch(), [], []).shape == (0, 0)


def test_no_answers_give_no_rows(path: Path) -> None:
    with closing(ScoreStore(path)) as store:
        assert store.rows(ExactMatch(), [], []).shape == (0, 0)


def test_equal_texts_are_scored_once(path: Path) -> None:
    assert scored(path, ExactMatch(), ["a"] * 2500, ["a", "b"] * 1250) == 2


def test_several_batches_are_one_array(path: Path) -> None:
    texts = [str(number) for number in range(2500)]
    asked, answers = samples(["7"] * 2500), generations(texts)
    wanted = ExactMatch().statistics(answers, asked)
    for times in (2500, 0):
        rows, new = rows_of(path, ExactMatch(), answers, asked)
        assert new == times
        assert np.array_equal(rows, wanted)


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


def test_a_row_that_is_not_what_was_kept_is_a_miss(path: Path) -> None:
    assert scored(path, ExactMatch(), ["a", "b"], ["a", "a"]) == 2
    with closing(sqlite3.connect(path)) as connection, connection:
        (digest, row), *_ = connection.execute("SELECT digest, row FROM scores").fetchall()
        connection.execute(
            "UPDATE scores SET row = ? WHERE digest = ?", (bytes([row[0] ^ 1]) + row[1:], digest)
        )
    rows, new = rows_of(path, ExactMatch(), generations(["a", "b"]), samples(["a", "a"]))
    assert new == 1
    assert rows.tolist() == [[1.0, 1.0], [0.0, 1.0]]
    assert scored(path, ExactMatch(), ["a", "b"], ["a", "a"]) == 0


def test_rows_under_another_digest_or_metric_are_misses(path: Path) -> None:
    assert scored(path, ExactMatch(), ["a", "b"], ["a", "a"]) == 2
    maker = maker_of(ExactMatch(ignore_case=True).bind(samples(["a"])))
    assert maker is not None
    with closing(sqlite3.connect(path)) as connection, connection:
        rows = connection.execute("SELECT digest, row FROM scores").fetchall()
        (one, first), (other, second) = rows
        connection.executemany("UPDATE scores SET row = ? WHERE digest = ?", [(second, one), (first, other)])
        connection.execute("INSERT INTO metrics VALUES (?, ?, 0.0)", (maker.number, maker.identity))
        connection.executemany("INSERT INTO scores VALUES (?, ?, ?)", [(maker.number, *row) for row in rows])
    assert scored(path, ExactMatch(ignore_case=True), ["a", "b"], ["a", "a"]) == 2
    assert scored(path, ExactMatch(), ["a", "b"], ["a", "a"]) == 2


def trouble_with(path: Path, **options: Any) -> tuple[list[str], int]:
    """What is said, and how many of two answers are scored; the rows are right in any case."""
    said: list[str] = []
    with closing(ScoreStore(path, say=said.append, **options)) as store:
        for _ in range(2):
            rows = store.rows(ExactMatch(), generations(["a", "b"]), samples(["a", "a"]))
            assert rows.tolist() == [[1.0, 1.0], [0.0, 1.0]]
    return said, store.scored


def test_a_damaged_file_is_removed_and_made_anew(path: Path) -> None:
    texts = [str(number) for number in range(3000)]
    scored(path, ExactMatch(), [*texts, "a", "b"], ["a"] * 3002)
    content = path.read_bytes()
    path.write_bytes(content[:4096] + os.urandom(len(content) - 4096))
    said, new = trouble_with(path)
    assert len(said) == 1
    assert "the next run makes a new one" in said[0]
    assert new == 4
    assert trouble_with(path) == ([], 2)
    assert trouble_with(path) == ([], 0)


@pytest.mark.parametrize("content", [b"id,score\n1,0.5\n", b"x" * 5000])
def test_a_file_that_is_no_database_stays_as_it_is(path: Path, content: bytes) -> None:
    path.parent.mkdir()
    path.write_bytes(content)
    said, new = trouble_with(path)
    assert len(said) == 1
    assert new == 4
    assert path.read_bytes() == content


@pytest.mark.parametrize("owner", [0, APPLICATION_ID])
def test_another_programs_or_versions_database_stays_as_it_is(path: Path, owner: int) -> None:
    path.parent.mkdir()
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE scores (name, score)")
        connection.execute(f"PRAGMA application_id={owner}")
    content = path.read_bytes()
    said, new = trouble_with(path)
    assert len(said) == 1
    assert new == 4
    assert path.read_bytes() == content


def test_a_folder_that_cannot_be_made_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    said, new = trouble_with(tmp_path / "file" / "scores.sqlite")
    assert len(said) == 1
    assert new == 4


def test_reading_only_changes_nothing_and_makes_nothing(path: Path) -> None:
    assert trouble_with(path, read_only=True) == ([], 4)
    assert not path.parent.exists()
    assert scored(path, ExactMatch(), ["a"], ["a"]) == 1
    content = path.read_bytes()
    assert trouble_with(path, read_only=True) == ([], 2)
    assert path.read_bytes() == content
    assert [one.name for one in path.parent.iterdir()] == [path.name]


FULL = """
import resource, signal, sys
import numpy
from cache.test_scores import ExactMatch, ScoreStore, generations, samples
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
said = []
store = ScoreStore(sys.argv[1], say=said.append)
resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, 60_000))
texts = [str(number) for number in range(5000)]
rows = store.rows(ExactMatch(), generations(texts), samples(["7"] * 5000))
store.close()
assert rows[:, 0].sum() == 1
print(len(said), store.scored)
"""


def test_a_full_disk_is_no_error(path: Path) -> None:
    done = _child(FULL, path)
    assert done == "1 5000"


def test_a_file_that_another_process_holds_is_no_error(path: Path) -> None:
    assert scored(path, ExactMatch(), ["a"], ["a"]) == 1
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        said, new = trouble_with(path, patience=0.01)
    assert len(said) == 1
    assert new == 1 + 2


TOGETHER = """
import sys
from cache.test_scores import ExactMatch, ScoreStore, generations, samples
texts = [str(number) for number in range(4000)]
store = ScoreStore(sys.argv[1], patience=60.0, say=lambda said: sys.exit(said))
rows = store.rows(ExactMatch(), generations(texts), samples(["7"] * 4000))
store.close()
assert rows[:, 0].sum() == 1
print("done")
"""


def _child(script: str, path: Path) -> str:
    process = _start(script, path)
    out, error = process.communicate(timeout=60)
    assert process.returncode == 0, error
    return out.strip()


def _start(script: str, path: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", script, str(path)],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_two_processes_share_a_file(path: Path) -> None:
    processes = [_start(TOGETHER, path) for _ in range(2)]
    for process in processes:
        out, error = process.communicate(timeout=60)
        assert process.returncode == 0, error
        assert out.strip() == "done"
    texts = [str(number) for number in range(4000)]
    assert scored(path, ExactMatch(), texts, ["7"] * 4000) == 0


def test_a_file_that_has_grown_too_large_is_emptied(path: Path) -> None:
    texts = [str(number) for number in range(3000)]
    assert scored(path, ExactMatch(), texts, ["7"] * 3000) == 3000
    size = path.stat().st_size
    with closing(ScoreStore(path, largest=size)) as store:
        store.rows(ExactMatch(), generations(texts), samples(["7"] * 3000))
        assert store.scored == 0
    with closing(ScoreStore(path, largest=size - 1)) as store:
        pass
    assert path.stat().st_size < size / 4
    assert scored(path, ExactMatch(), texts[:5], ["7"] * 5) == 5


def test_rows_of_many_labels_are_not_kept(path: Path) -> None:
    labels = [f"label {number}" for number in range(60)]
    assert scored(path, F1(), labels, labels) == 60
    assert scored(path, F1(), labels, labels) == 60


def test_answers_that_are_replaced_in_a_list_have_digests_of_their_own(path: Path) -> None:
    answers, asked = generations(["a", "b"]), samples(["a", "a"])
    with closing(ScoreStore(path)) as store:
        assert store.rows(ExactMatch(), answers, asked)[:, 0].tolist() == [1.0, 0.0]
        answers[0] = generation("c")
        asked[1] = Sample("1", {}, "b")
        assert store.rows(ExactMatch(), answers, asked)[:, 0].tolist() == [0.0, 1.0]


def test_a_lookup_takes_two_statements_for_a_thousand_answers(path: Path) -> None:
    texts = [str(number) for number in range(3000)]
    answers, asked = generations(texts), samples(["7"] * 3000)
    rows_of(path, ExactMatch(), answers, asked)
    statements: list[str] = []
    with closing(ScoreStore(path)) as store:
        assert store._file is not None
        store._file._connection.set_trace_callback(statements.append)
        store.rows(ExactMatch(), answers, asked)
    assert len(statements) == 1 + 3


def test_what_is_kept_is_counted(path: Path) -> None:
    assert kept(path) is None
    scored(path, ExactMatch(), ["a", "b"], ["a", "a"])
    found = kept(path)
    assert found is not None
    assert (found.rows, found.file_bytes) == (2, path.stat().st_size)
    path.write_text("no database")
    assert kept(path) is None


def test_scores_lie_beside_the_answers() -> None:
    assert beside(Path(".evalkit/cache.sqlite")) == Path(".evalkit/scores.sqlite")
