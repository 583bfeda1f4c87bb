"""Every part of `make bench` runs, with sizes that say nothing about speed."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from functools import partial
from types import ModuleType

import pytest

from .conftest import SPEED

ROOT = SPEED.parents[1]


def loaded(name: str) -> ModuleType:
    """A module of the folder, which is no package."""
    spec = importlib.util.spec_from_file_location(f"speed_{name}", SPEED / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


def printed(*words: str) -> str:
    done = subprocess.run(
        [sys.executable, *words], capture_output=True, text=True, check=False, timeout=120, cwd=ROOT
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_rounds_alternate_the_order() -> None:
    ran: list[str] = []
    found = loaded("rounds").interleaved({name: partial(ran.append, name) for name in "ab"}, 3)
    assert "".join(ran) == "abbaab"
    assert {name: len(values) for name, values in found.items()} == {"a": 3, "b": 3}


def test_a_ratio_is_of_medians_and_its_range_of_rounds() -> None:
    found = loaded("rounds").ratio([1.0, 3.0, 2.0], [2.0, 2.0, 4.0])
    assert (found.middle, found.low, found.high) == (1.0, 0.5, 1.5)
    assert found.shown(1) == "1.0 (0.5 to 1.5)"


PARTS = {
    "request_cost": ("--requests 20 --floors aiohttp", r"^\| evalkit \|"),
    "latency": ("--requests 20 --concurrency 5 --latency 0.01", r"≤ 1\.10 × ideal"),
    "warm": ("--samples 20", r"^\| requests of a warm rerun \| 0 \| 0 \| yes \|"),
    "startup": ("", r"^\| compose and import openai \|"),
    "memory": ("--samples 2 --through recorded", r"^\| 2 \|"),
    "scaling": ("--sizes 1 --concurrency=", r"CPU µs a further request"),
    "profiles": ("--requests 20 --kinds cold", r"^The cold run under cProfile"),
    "streaming": ("--bytes 100000 --limit 5", r"limit 5"),
}


@pytest.mark.parametrize("part", PARTS)
def test_a_part_runs_by_itself_and_prints_its_table(part: str) -> None:
    words, shown = PARTS[part]
    text = printed(str(SPEED / f"{part}.py"), "--rounds", "1", *words.split())
    assert re.search(shown, text, flags=re.MULTILINE), text
    assert str(ROOT) not in text


def test_the_whole_names_the_machine_and_puts_all_goals_into_one_table() -> None:
    words = ("--tiny", "--rounds", "2", "--only", "capacity,rouge,memory", "--note", "beside the tests")
    text = printed(str(SPEED / "bench.py"), *words)
    assert re.search(r"^- CPython \d.*evalkit \d", text, flags=re.MULTILINE)
    assert "- beside the tests\n" in text
    assert "- fewer rounds: memory 1\n" in text
    assert "| values that differ from rouge-score's | 0 | 0 of 150 | yes |" in text
    assert text.index("| values that differ") < text.index("## Capacity of the server")


def test_every_part_is_in_the_whole_and_on_the_page() -> None:
    page = (ROOT / "docs" / "performance.md").read_text("utf-8")
    texts = {path.stem: path.read_text("utf-8") for path in SPEED.glob("*.py")}
    parts = {name for name, text in texts.items() if re.search(r"^    report\(", text, flags=re.MULTILINE)}
    assert {name for name in parts if f'"{name}"' in texts["bench"]} == parts - {"streaming"}
    assert [name for name in parts if f"`{name}.py`" not in page] == []


def test_a_part_that_there_is_not_is_refused() -> None:
    done = subprocess.run(
        [sys.executable, str(SPEED / "bench.py"), "--only", "warmth,startup"],
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 2
    assert "no part warmth; there are capacity, request_cost" in done.stderr
