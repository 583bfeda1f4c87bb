"""What passes between a program and its test: values, functions, changed arguments, exceptions, names."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from sandboxed import job_of, need_sandbox, run, verdict

from evalkit.errors import SandboxError
from evalkit.sandbox.base import Job
from evalkit.sandbox.isolation import ALLOW_VARIABLE, BUBBLEWRAP, NONE, _user_of, isolation_of
from evalkit.sandbox.runner import Sandbox

VALUES = (
    *(
        "None",
        "True",
        "-3",
        "10**400",
        "0.1",
        "-0.0",
        "float('inf')",
        "2+3j",
        "'h\\u00e9\\ud83d'",
        "b'\\x00\\xff'",
    ),
    *("[1, [2.5, None]]", "(1, ('a',))", "{1: 'a', 'b': [2], (1, 2): {3}}", "{1, 2}", "frozenset({1})"),
    *("range(2, 9, 3)", "bytearray(b'x')", "[[]] * 2", "''", "()", "{}"),
)


@pytest.mark.parametrize("value", VALUES)
def test_plain_values_go_in_and_out_unchanged(value: str) -> None:
    program = f"def answer(given):\n    return given, given == {value}, {value}\n"
    test = f"got = answer({value})\nassert got == ({value}, True, {value}), got\n"
    test += f"assert repr(got[0]) == repr({value}) and type(got[0]) is type({value}), got"
    found = verdict(program, test)
    assert found.passed, found.reason


@pytest.mark.parametrize(
    ("made", "seen"),
    [
        ("collections.Counter('aab')", "{'a': 2, 'b': 1}"),
        ("collections.OrderedDict(a=1)", "{'a': 1}"),
        ("collections.namedtuple('Point', 'x y')(1, 2)", "(1, 2)"),
        ("collections.deque([1, 2])", "__import__('collections').deque([1, 2])"),
        ("fractions.Fraction(1, 3)", "__import__('fractions').Fraction(1, 3)"),
        ("decimal.Decimal('0.10')", "__import__('decimal').Decimal('0.1')"),
    ],
)
def test_values_of_the_standard_library_equal_what_they_equal_in_one_process(made: str, seen: str) -> None:
    found = verdict(
        f"import collections, decimal, fractions\ndef answer():\n    return {made}\n",
        f"assert answer() == {seen}",
    )
    assert found.passed, found.reason


def test_objects_stay_with_the_program_and_can_be_used() -> None:
    program = (
        "class Stack:\n    def __init__(self, *items):\n        self.items = list(items)\n"
        "    def push(self, one):\n        self.items.append(one)\n        return self\n"
        "    def __len__(self):\n        return len(self.items)\n"
        "    def __eq__(self, other):\n        return self.items == other.items\n"
        "    __hash__ = None\n    def __repr__(self):\n        return f'Stack{self.items}'\n"
    )
    test = (
        "stack = Stack(1).push(2)\nassert len(stack) == 2 and stack.items == [1, 2]\n"
        "assert stack == Stack(1, 2) and stack != Stack(1)\nassert str(stack) == 'Stack[1, 2]'\n"
        "assert stack != [1, 2]"
    )
    (found,) = run(job_of(program, test, "Stack"))
    assert found.passed, found.reason


def test_generators_are_read_as_far_as_the_test_asks() -> None:
    program = "def answer():\n    n = 0\n    while True:\n        yield n\n        n += 1\n"
    test = "steps = answer()\nassert [next(steps), next(steps)] == [0, 1]\nassert next(iter(steps)) == 2"
    assert verdict(program, test).passed


def test_functions_go_both_ways() -> None:
    program = "def answer(function):\n    return lambda value: function(function(value))\n"
    test = "twice = answer(lambda x: x * 3)\nassert twice(2) == 18\n"
    test += "assert sorted([2, 1], key=answer(abs)) == [1, 2]"
    found = verdict(program, test)
    assert found.passed, found.reason


def test_arguments_that_a_program_changes_are_changed() -> None:
    program = "def answer(items, table):\n    items.sort()\n"
    program += "    table['n'] = len(items)\n    items.append(items[:1])\n"
    test = "items, table = [3, 1], {'old': 1}\nassert answer(items, table) is None\n"
    test += "assert items == [1, 3, [1]] and table == {'old': 1, 'n': 2}, (items, table)"
    found = verdict(program, test)
    assert found.passed, found.reason


def test_exceptions_of_pythons_own_arrive_as_themselves() -> None:
    program = (
        "class Mine(Exception):\n    pass\ndef answer(kind):\n    raise {1: KeyError, 2: Mine}[kind]('why')\n"
    )
    test = "try:\n    answer(1)\nexcept KeyError as error:\n    assert 'why' in str(error)\n"
    assert verdict(program, test + "else:\n    assert False").passed
    found = verdict(program, "answer(2)")
    assert (found.passed, found.reason) == (False, "ProgramError: Mine: why")


def test_a_test_without_entry_point_is_about_the_names_it_calls() -> None:
    """As MBPP has them: some of its functions have the names of Python's own."""
    summing = "def sum(a, b):\n    return a + b\n"
    assert run(Job(summing, "assert sum(10, 15) == 25"))[0].passed
    assert run(
        Job("def add(a, b):\n    return a + b\n", "assert len([add(1, 2)]) == 1\nassert add(1, 2) == 3")
    )[0].passed


def test_helpers_and_imports_of_the_sample_serve_the_test() -> None:
    job = Job(
        "def decode(text):\n    return text[::-1]\ndef encode(text):\n    return text[::-1]\n",
        "def check(candidate):\n    assert candidate(encode('abc')) == 'abc' and sqrt(4) == 2\n",
        imports="from math import sqrt",
        entry_point="decode",
        check="check",
    )
    (found,) = run(job)
    assert found.passed, found.reason


def test_a_block_for_the_command_line_is_not_run() -> None:
    assert verdict("def answer():\n    return 42\nif __name__ == '__main__':\n    input('number? ')\n").passed


def test_future_imports_may_follow_a_header() -> None:
    program = "from __future__ import annotations\ndef answer() -> Undefined:\n    return math.floor(42.5)\n"
    (found,) = run(Job(program, "assert answer() == 42", before="import math", entry_point="answer"))
    assert found.passed, found.reason


def test_verdicts_come_in_order_however_long_each_takes() -> None:
    def waiting(number: int) -> Job:
        program = (
            f"import time\ntime.sleep({0.3 if number % 3 == 0 else 0})\ndef answer():\n    return {number}\n"
        )
        return job_of(program, f"assert answer() == {number if number % 2 else -1}")

    assert [found.passed for found in run(*map(waiting, range(20)))] == [n % 2 == 1 for n in range(20)]


def test_nothing_to_run_runs_nothing() -> None:
    assert Sandbox(isolation_of(BUBBLEWRAP)).run([]) == []


def test_without_bubblewrap_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", os.fspath(tmp_path))
    with pytest.raises(SandboxError, match=r"bwrap is not here: install bubblewrap .* sandbox=none"):
        Sandbox(isolation_of(BUBBLEWRAP)).check()


def test_a_bubblewrap_that_cannot_start_is_told_with_its_words(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """As where the kernel or a container forbids user namespaces."""
    need_sandbox()
    broken = tmp_path / "bwrap"
    broken.write_text("#!/bin/sh\necho 'bwrap: No permissions to create new namespace' >&2\nexit 1\n")
    broken.chmod(broken.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with pytest.raises(SandboxError, match=r"does not start .bwrap: No permissions to create new namespace"):
        Sandbox(isolation_of(BUBBLEWRAP)).check()


def test_unprotected_needs_a_permission_that_no_file_can_give(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(ALLOW_VARIABLE, raising=False)
    sandbox = Sandbox(isolation_of(NONE))
    with pytest.raises(SandboxError, match=f"command line, or export {ALLOW_VARIABLE}=none"):
        sandbox.check()
    monkeypatch.setenv(ALLOW_VARIABLE, NONE)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-planted")
    sandbox.check()
    program = "import os\ndef answer():\n    return 'OPENAI_API_KEY' in os.environ\n"
    right, wrong = sandbox.run(
        [job_of(program, "assert answer() is False"), job_of("import os\nos._exit(0)\n")]
    )
    assert right.passed
    assert not wrong.passed


def test_a_job_is_known_by_everything_that_is_executed() -> None:
    job = Job("a", "b")
    assert job.hash == Job("a", "b").hash
    others = [
        Job("x", "b"),
        Job("a", "x"),
        Job("a", "b", "x"),
        Job("a", "b", imports="x"),
        Job("a", "b", entry_point="x"),
    ]
    assert len({json.dumps(one.hash) for one in (job, *others)}) == 6


@pytest.mark.parametrize("kind", [BUBBLEWRAP, NONE])
def test_the_order_of_a_set_is_the_same_every_time(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With seeds by chance, 24 orders of four texts: ten equal ones would come once in 24 ** 9."""
    if kind == BUBBLEWRAP:
        need_sandbox()
    monkeypatch.setenv(ALLOW_VARIABLE, NONE)
    sandbox = Sandbox(isolation_of(kind))
    program = "def answer():\n    return list({'one', 'two', 'three', 'four'})\n"
    found = sandbox.run([job_of(f"{program}#{n}", "assert False, answer()") for n in range(10)])
    assert len({one.reason for one in found}) == 1
    assert "three" in found[0].reason


def test_sandboxes_of_two_processes_run_as_different_users() -> None:
    """Processes are limited by user: one that ran as another one's user would share its limit."""
    ours = {_user_of(slot) for slot in range(3)}
    code = "from evalkit.sandbox.isolation import _user_of; print(*(_user_of(slot) for slot in range(3)))"
    theirs = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert len(ours) == 3
    assert len(ours | {int(user) for user in theirs.split()}) == 6
