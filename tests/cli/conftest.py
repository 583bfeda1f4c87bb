"""A folder of one's own, a key, and a fake server for the commands."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from fake_openai import FakeOpenAI

KEY = "sk-planted-0123456789abcdef0123456789"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    rows = [
        {"id": f"q{n}", "question": f"What is number {n}?", "answers": [f"answer {n}"]} for n in range(12)
    ]
    (tmp_path / "data.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return tmp_path


@pytest.fixture
def server() -> Iterator[FakeOpenAI]:
    with FakeOpenAI(
        lambda body: "answer " + body["messages"][-1]["content"].split("number ")[1].split("?")[0]
    ) as one:
        yield one


@pytest.fixture
def run_words(folder: Path, server: FakeOpenAI) -> list[str]:
    """`evalkit run` on twelve questions that the server answers right."""
    return [
        *("run", "task=qa", "dataset=jsonl", "dataset.path=data.jsonl", "dataset.input.question=question"),
        *("dataset.target=answers", "prompt.template='{{ question }}'", "metrics=[exact_match]"),
        *("model=openai", "model.name=gpt-4o", f"model.base_url={server.base_url}"),
    ]
