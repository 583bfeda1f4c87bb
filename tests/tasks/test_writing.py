"""Writing from brief to verdict: texts of a fake model, checked by rules, read by a fake judge."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import pytest
from commands import Commands, asking, write_lines

from evalkit.search_path import shipped

if TYPE_CHECKING:
    from fake_openai import FakeOpenAI

LINES = (shipped("benchmarks") / "writing" / "data.jsonl").read_text("utf-8").splitlines()
BRIEFS: list[dict[str, Any]] = [json.loads(line) for line in LINES]
GENRES = ("news", "technical", "creative", "email")


def place(body: Mapping[str, Any]) -> int:
    """Which brief is asked, or judged."""
    text = body["messages"][-1]["content"]
    return next(number for number, brief in enumerate(BRIEFS) if brief["brief"] in text)


def between(text: str, mark: str) -> str:
    found = re.search(rf"\n<{mark}-([0-9a-f]{{16}})>\n(.*?)\n</{mark}-\1>\n", text, re.DOTALL)
    assert found is not None, text
    return found[2]


def fulfilled(body: Mapping[str, Any]) -> str:
    """A text of the right length with what must occur in it, for every second brief; else one word."""
    number = place(body)
    if number % 2:
        return "Word."
    rules = {one["type"]: one for one in BRIEFS[number]["constraints"]}
    must = " ".join(rules.get("must_contain", {"texts": []})["texts"])
    words = ("word " if BRIEFS[number]["language"] == "en" else "字 ") * (rules["words"]["min"] + 5)
    return f"{must} {words.strip()}."


def of_place(body: Mapping[str, Any]) -> str:
    """A judge that gives brief 0 a 1, brief 1 a 2, …"""
    return f"So be it.\nScore: [[{place(body) + 1}]]"


def longer(body: Mapping[str, Any]) -> str:
    a, b = (len(between(body["messages"][-1]["content"], mark)) for mark in ("a", "b"))
    return "[[C]]" if a == b else "[[A]]" if a > b else "[[B]]"


def values(evalkit: Commands) -> dict[str, float]:
    return {name: one["value"] for name, one in evalkit.report()["metrics"].items()}


def test_the_benchmark_has_every_genre_in_both_languages() -> None:
    counts = Counter((one["genre"], one["language"]) for one in BRIEFS)
    assert counts == {(genre, language): n for genre in GENRES for language, n in (("en", 7), ("zh", 3))}
    for one in BRIEFS:
        assert len(one["criteria"]) == 4
        assert bool(re.search("[\u4e00-\u9fff]", one["brief"])) == (one["language"] == "zh")
        for rule in one["constraints"]:  # what is checked is asked for in words
            assert not {"min", "max"} & set(rule) or rule["type"] in {"words", "numbered", "headings"}
            if rule["type"] == "words":
                assert f"{rule['min']}" in one["brief"]
                assert f"{rule['max']}" in one["brief"]


def test_texts_are_written_checked_and_judged(evalkit: Commands, server: FakeOpenAI) -> None:
    """Briefs 0 to 3: two of four texts follow every rule; the judge gives 1, 2, 3 and 4, a mean of 2.5."""
    server.settings.answer = fulfilled
    ran = evalkit(*asking(server, "task=writing", "dataset.limit=4", "resamples=10"))
    assert ran.code == 0, ran.err
    assert values(evalkit)["prompt_strict"] == 0.5
    server.settings.answer = of_place
    judging = ("model=openai", f"model.base_url={server.base_url}", "model.name=judge", "resamples=10")
    ran = evalkit("judge", "latest:writing", *judging, "slices=[genre]")
    assert ran.code == 0, ran.err
    assert values(evalkit) == {"judge_score": 2.5}
    assert list(evalkit.report()["slices"]) == ["genre"]
    # The judge sees the brief and the brief's own points.
    text = server.requests[-1].body["messages"][-1]["content"]
    brief = BRIEFS[place(server.requests[-1].body)]
    assert between(text, "task") == brief["brief"]
    assert "".join(f"- {one}\n" for one in brief["criteria"]) in text


def test_two_models_texts_are_compared(evalkit: Commands, server: FakeOpenAI) -> None:
    """A model of one-word texts against one that fulfils every second brief: two of four texts are longer."""
    server.settings.answer = "Word."
    evalkit(*asking(server, "task=writing", "dataset.limit=4", "resamples=10"))
    base = evalkit.last_run().name
    server.settings.answer = fulfilled
    evalkit(*asking(server, "task=writing", "dataset.limit=4", "resamples=10", name="gpt-4.1"))
    judging = ("model=openai", f"model.base_url={server.base_url}", "resamples=10")
    server.settings.answer = longer
    ran = evalkit("judge", "latest:writing", "--against", base, *judging, "model.name=by-length")
    assert ran.code == 0, ran.err
    found = values(evalkit)
    assert (found["win_rate"], found["wins"], found["ties"], found["losses"]) == (0.75, 0.5, 0.5, 0)
    assert (found["consistency"], found["position_bias"]) == (1, 0.5)
    server.settings.answer = "[[A]]"
    evalkit("judge", "latest:writing", "--against", base, *judging, "model.name=by-place")
    found = values(evalkit)
    assert (found["win_rate"], found["consistency"], found["position_bias"]) == (0.5, 0, 1)


def test_a_judge_agrees_with_people_as_far_as_spearman_and_kappa_say(
    evalkit: Commands, server: FakeOpenAI
) -> None:
    """Judge 1, 2, 3, 4 and people 1, 3, 2, 4: Spearman 1 - 6 * 2 / (4 * 15) = 0.8.

    Grades: three of four agree, by chance (3 * 4 + 1 * 0) / 16 = 3/4 would: kappa 0.
    """
    rows = [
        {**BRIEFS[place], "note": "?", "human": score, "grade": "incorrect" if place == 3 else "correct"}
        for place, score in enumerate((1, 3, 2, 4))
    ]
    path = write_lines(evalkit.folder / "rated.jsonl", *rows)
    server.settings.answer = fulfilled
    own = (f"dataset.path={path}", "dataset.target=note", "resamples=10")
    written = evalkit(*asking(server, "task=writing", *own))
    assert written.code == 0, written.err
    judging = ("model=openai", f"model.base_url={server.base_url}", "model.name=judge", "resamples=10")
    server.settings.answer = of_place
    words = ("dataset.target=human", "metrics=[judge_score,correlation]")
    ran = evalkit("judge", "latest:writing", *judging, *words)
    assert ran.code == 0, ran.err
    assert values(evalkit)["spearman"] == pytest.approx(0.8)
    server.settings.answer = "[[correct]]"
    words = ("dataset.target=grade", "metrics=[accuracy,kappa]")
    ran = evalkit("judge", "latest:writing", "--reference", *judging, *words)
    assert ran.code == 0, ran.err
    assert values(evalkit)["accuracy"] == 0.75
    assert values(evalkit)["kappa"] == pytest.approx(0.0)
