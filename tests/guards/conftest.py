from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from commands import evalkit, write_lines
from fake_openai import FakeOpenAI

__all__ = ["evalkit"]

QUESTIONS = 1000


@pytest.fixture
def server() -> Iterator[FakeOpenAI]:
    """A server that answers every question alike; its answers are looked at by nobody."""
    with FakeOpenAI(answer="answer 7 of the model") as started:
        yield started


@pytest.fixture
def asked(evalkit: object, server: FakeOpenAI, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The words of `evalkit run` on a thousand different questions."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test")
    rows = ({"question": f"Question {n}?", "answer": f"answer {n} of the model"} for n in range(QUESTIONS))
    write_lines(tmp_path / "data.jsonl", *rows)
    return [
        *("run", "task=qa", "dataset=jsonl", f"dataset.path={tmp_path / 'data.jsonl'}"),
        *("dataset.input.question=question", "dataset.target=answer", "prompt.template='{{ question }}'"),
        *("model=openai", "model.name=gpt-4o", f"model.base_url={server.base_url}", "resamples=100"),
    ]
