from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import yaml
from sandboxed import need_sandbox

from evalkit.errors import MetricError
from evalkit.metrics.code import PassAtK, pass_at_k, program_of
from evalkit.postprocess.code import Code
from evalkit.records import Generation, Response, Sample
from evalkit.search_path import shipped

if TYPE_CHECKING:
    from metrics.conftest import Rows

HEADER = "import collections, heapq, itertools, math, re, typing\nfrom typing import *"
ADD = Sample(
    "s0",
    {"prompt": 'def add(a, b):\n    """Add two numbers."""\n'},
    metadata={"test": "def check(candidate):\n    assert candidate(1, 2) == 3\n", "entry_point": "add"},
)


def answer(text: str | None, trial: int = 0) -> Generation:
    return Generation("s0", trial, Response(text or ""), text, unparsed=None if text else "code: no code")


def test_estimator_is_the_share_of_choices_of_k_with_a_right_one() -> None:
    """By going through every choice of k out of n answers, c of them right."""
    for n in range(1, 9):
        for c, k in itertools.product(range(n + 1), range(1, n + 1)):
            chosen = list(itertools.combinations([place < c for place in range(n)], k))
            share = sum(map(any, chosen)) / len(chosen)
            got = pass_at_k(np.array([float(c)]), np.array([float(n)]), k)
            assert got == pytest.approx([share], abs=1e-12)


def test_estimator_does_not_overflow() -> None:
    """C(5000, 100) is beyond a float; 1 - (1 - 1/5000 …) by hand for one right answer is k / n."""
    assert pass_at_k(np.array([1.0]), np.array([5000.0]), 100) == pytest.approx([0.02], abs=1e-12)


def test_trials_are_counted_and_estimated_per_sample() -> None:
    """Two samples of four answers, one and four right: pass@1 (1/4 + 1) / 2, pass@2 (1/2 + 1) / 2."""
    metric = PassAtK(k=[1, 2])
    rows = [metric.combine(np.array([[c, 1.0] for c in column])) for column in ([1, 0, 0, 0], [1, 1, 1, 1])]
    assert np.array(rows).tolist() == [[1.0, 4.0], [4.0, 4.0]]
    weights = np.array([[1.0, 1.0], [2.0, 0.0], [0.0, 0.0]])
    got = metric.aggregate(np.array(rows), weights)
    assert got[:2] == pytest.approx(np.array([[0.625, 0.75], [0.25, 0.5]]))
    assert np.isnan(got[2]).all()
    assert metric.names == ("pass@1", "pass@2")


def test_a_sample_with_fewer_than_k_answers_has_no_pass_at_k() -> None:
    metric = PassAtK(k=[1, 3])
    got = metric.aggregate(np.array([[1.0, 1.0], [0.0, 3.0]]), np.ones((1, 2)))
    assert got == pytest.approx(np.array([[0.5, 0.0]]))
    assert np.isnan(metric.aggregate(np.array([[1.0, 1.0]]), np.ones((1, 1)))[0, 1])


def test_a_failed_sample_could_have_passed_all_or_none() -> None:
    metric = PassAtK(k=[1, 5])
    worst, best = metric.bounds(ADD)
    ends = metric.aggregate(np.stack([worst, best]), np.eye(2))
    assert ends.tolist() == [[0.0, 0.0], [1.0, 1.0]]


@pytest.mark.parametrize(
    "text",
    [
        "    return a + b",
        "return a + b",
        "def add(a, b):\n    return a + b",
        "add = lambda a, b: a + b",
        "    return a + b\n\nprint(add(1, 2)",
        "    return a + b\n```\nThis adds them.",
        'from __future__ import annotations\ndef add(a, b):\n    """Add."""\n    return a + b',
    ],
)
def test_completions_and_whole_programs_pass(text: str) -> None:
    need_sandbox()
    got = PassAtK().statistics([answer(text), answer("    return a - b")], [ADD, ADD])
    assert got.tolist() == [[1.0, 1.0], [0.0, 1.0]]


def test_what_of_the_prompt_stands_before_a_whole_program() -> None:
    prompt = "import math\n\ndef half(x):\n    return x / 2\n\ndef f(x):\n    '''Doc.'''\n"
    whole = "def f(x):\n    return half(math.floor(x))"
    helper = "def half(x):\n    return x / 2"
    assert program_of(prompt, whole, "f", "imports") == ("import math", whole)
    assert program_of(prompt, whole, "f", "all") == (f"import math\n{helper}", whole)
    assert program_of(prompt, whole, "f", "none") == ("", whole)
    assert program_of(prompt, "    return half(x)", "f", "none") == ("", prompt + "    return half(x)")
    assert program_of("Write a function f.", whole, "f", "all") == ("", whole)


def test_an_answer_without_code_is_wrong_and_nothing_is_run_for_it() -> None:
    need_sandbox()
    assert PassAtK().statistics([answer(None)], [ADD]).tolist() == [[0.0, 1.0]]


def test_the_same_program_twice_is_run_once() -> None:
    """A program that is right every other second would give different verdicts; one run gives one."""
    need_sandbox()
    coin = "    import os\n    return 3 if os.urandom(1)[0] % 2 else 0"
    metric = PassAtK()
    first = metric.statistics([answer(coin, trial) for trial in range(30)], [ADD] * 30)
    assert len({row[0] for row in first.tolist()}) == 1
    assert metric.statistics([answer(coin)], [ADD])[0, 0] == first[0, 0]


def test_tests_may_be_a_list_of_statements_with_a_setup() -> None:
    need_sandbox()
    sample = Sample(
        "m",
        {"prompt": "Write a function to add."},
        metadata={"asserts": ["assert add(ONE, 2) == 3"], "first": "ONE = 1"},
    )
    metric = PassAtK(test="asserts", setup="first")
    program = answer("def add(a, b):\n    return a + b")
    assert metric.statistics([program], [sample]).tolist() == [[1.0, 1.0]]
    assert metric.explain(program, sample) == "passed its test"


def test_explain_names_the_assertion() -> None:
    need_sandbox()
    got = PassAtK().explain(answer("    return 0"), ADD)
    assert got == "did not pass: AssertionError (assert candidate(1, 2) == 3)"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"k": []}, "k must be whole numbers"),
        ({"k": [0]}, "k must be whole numbers"),
        ({"sandbox": "docker"}, 'unknown sandbox "docker"'),
        ({"preamble": "some"}, 'unknown preamble "some"'),
        ({"timeout": 0}, "must be more than 0"),
    ],
)
def test_options_out_of_range_are_refused(options: dict[str, Any], words: str) -> None:
    with pytest.raises(MetricError, match=words):
        PassAtK(**options)


def test_a_sample_without_a_test_or_with_a_broken_one_is_named() -> None:
    need_sandbox()
    with pytest.raises(MetricError, match=r'sample x has no column "test"'):
        PassAtK().statistics([answer("pass")], [Sample("x", {"prompt": "p"})])
    with pytest.raises(MetricError, match=r"the test of sample y is no Python"):
        PassAtK().statistics([answer("pass")], [Sample("y", {"prompt": "p"}, metadata={"test": "def ("})])


def test_the_header_that_ships_is_the_one_that_recorded_outputs_were_run_with() -> None:
    text = (shipped("configs") / "metrics" / "pass_at_k.yaml").read_text("utf-8")
    assert yaml.safe_load(text)["pass_at_k"]["header"] == HEADER


def recorded(shared_rows: Rows, name: str, system: str) -> tuple[list[bool], list[bool], list[bool]]:
    """Our verdicts, the file's flags, and whether the output defines the function, in the file's order."""
    need_sandbox()
    rows = {row["task_id"]: row for row in shared_rows(f"code_{name}")}
    file = shared_rows(f"recorded_{name}_outputs")
    read = Code()
    generations, samples, outputs = [], [], [one["outputs"][system] for one in file]
    for one, text in zip(file, outputs, strict=True):
        row = rows[one["task_id"]]
        known = {key: row[key] for key in ("test", "entry_point")}
        samples.append(Sample(row["task_id"], {"prompt": row["prompt"]}, metadata=known))
        code = read(text) if text.strip() else None
        generations.append(
            Generation(row["task_id"], 0, Response(text), code, None if code else "code: no code")
        )
    passed = PassAtK(header=HEADER).statistics(generations, samples)[:, 0]
    defining = [
        f"def {rows[one['task_id']]['entry_point']}(" in text for one, text in zip(file, outputs, strict=True)
    ]
    return passed.astype(bool).tolist(), [one["passed"][system] for one in file], defining


@pytest.mark.shared
@pytest.mark.parametrize("system", ["gpt-4-1106-preview", "gpt-3.5-turbo-0613", "codellama", "starcoder"])
def test_recorded_humaneval_outputs_pass_as_recorded(system: str, shared_rows: Rows) -> None:
    ours, flags, _ = recorded(shared_rows, "humaneval", system)
    assert ours == flags


@pytest.mark.shared
@pytest.mark.parametrize(("system", "bare"), [("gpt-3.5-turbo-0613", 2), ("codellama", 0), ("starcoder", 5)])
def test_recorded_mbpp_outputs_pass_as_recorded_but_for_bare_bodies(
    system: str, bare: int, shared_rows: Rows
) -> None:
    """The flags are of the outputs as they stand; an indented body is no program by itself, but completes."""
    ours, flags, defining = recorded(shared_rows, "mbpp", system)
    differing = [place for place, mine in enumerate(ours) if mine != flags[place]]
    assert len(differing) == bare
    assert all(ours[place] and not defining[place] for place in differing)


@pytest.mark.shared
@pytest.mark.parametrize("name", ["humaneval", "mbpp"])
def test_published_solutions_pass_their_tests(name: str, shared_rows: Rows) -> None:
    need_sandbox()
    rows = shared_rows(f"code_{name}")[:60]
    samples = [
        Sample(
            row["task_id"],
            {"prompt": row["prompt"]},
            metadata={key: row[key] for key in ("test", "entry_point")},
        )
        for row in rows
    ]
    generations = [Generation(row["task_id"], 0, Response(""), row["canonical_solution"]) for row in rows]
    assert PassAtK(header=HEADER).statistics(generations, samples)[:, 0].all()


def test_the_embedded_solutions_pass_their_tests() -> None:
    need_sandbox()
    lines = (shipped("benchmarks") / "code" / "data.jsonl").read_text("utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    samples = [Sample(row["id"], {"prompt": row["prompt"]}, metadata=row) for row in rows]
    right = [Generation(row["id"], 0, Response(""), row["canonical_solution"]) for row in rows]
    wrong = [Generation(row["id"], 0, Response(""), "    return 'nothing of that kind'") for row in rows]
    metric = PassAtK()
    assert metric.statistics(right, samples)[:, 0].all()
    assert not metric.statistics(wrong, samples)[:, 0].any()
    assert len(rows) == 40
    assert Path(shipped("benchmarks") / "code" / "card.md").is_file()
