"""What would end a run late ends it before the first request; and reports that cannot be written."""

from __future__ import annotations

import resource
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from commands import Commands, asking, evalkit, server, write, write_lines
from fake_openai import FakeOpenAI
from faulty_runs import SETTINGS, samples

from evalkit.client.api import ApiModel
from evalkit.client.azure import AzureModel
from evalkit.client.chat import ChatCompletions
from evalkit.errors import ModelError
from evalkit.preflight import check_sending

__all__ = ["evalkit", "server"]  # fixtures

N = 5
# Fails on real answers too, but is found out on the made-up one.
METRIC = """
from evalkit.metrics.base import MeanMetric

class Needy(MeanMetric):
    names = ("needy",)
    signature = "none"

    def score(self, prediction, references):
        import package_that_nobody_has
        return (1.0,)
"""


@pytest.fixture
def asked(evalkit: Commands, server: FakeOpenAI) -> tuple[str, ...]:
    """The words of a run on five samples, in the test's own folder."""
    assert Path.cwd() == evalkit.folder
    samples(f"s{number}" for number in range(N))
    return (*asking(server, *SETTINGS),)


def test_package_that_a_metric_lacks(asked: tuple[str, ...], server: FakeOpenAI, evalkit: Commands) -> None:
    write(Path("needy.py"), METRIC)
    write(Path("configs/metrics/needy.yaml"), "# Needy\nneedy: {_target_: needy.Needy}\n")
    ran = evalkit.process("--allow-plugin", "needy", *asked, "metrics=[exact_match,needy]")
    assert "metric needy: a package is missing" in ran.error
    assert server.count == 0


def test_template_that_the_last_sample_breaks(server: FakeOpenAI, evalkit: Commands) -> None:
    """Nothing is paid for the samples before it."""
    rows = [{"question": f"{number}?", "size": 1, "target": "a"} for number in range(200)]
    path = write_lines(Path("rows.jsonl"), *rows, {"question": "last?", "size": 0, "target": "a"})
    words = (
        *("task=qa", "dataset=jsonl", f"dataset.path={path}", "dataset.target=target"),
        *("dataset.input={question: question, size: size}", "metrics=[exact_match]"),
    )
    ran = evalkit(*asking(server, *words, "prompt.template='{{ question }} {{ 1 // size }}'"))
    assert "division" in ran.error
    assert server.count == 0
    assert not list(Path().rglob("report.json"))


def test_column_to_slice_by(asked: tuple[str, ...], server: FakeOpenAI, evalkit: Commands) -> None:
    assert "topic" in evalkit(*asked, "slices=[topic]").error
    assert server.count == 0


def test_results_folder_that_is_a_file(asked: tuple[str, ...], server: FakeOpenAI, evalkit: Commands) -> None:
    write(Path("taken"), "")
    assert "reports cannot be written there" in evalkit(*asked, "results_dir=taken").error
    assert server.count == 0


def test_cache_that_is_a_folder(asked: tuple[str, ...], server: FakeOpenAI, evalkit: Commands) -> None:
    Path("folder").mkdir()
    assert "folder" in evalkit(*asked, "cache.path=folder").error
    assert server.count == 0


@pytest.fixture
def official(monkeypatch: pytest.MonkeyPatch) -> ApiModel:
    """A model of the official API, whose key must lie in SOME_KEY."""
    monkeypatch.delenv("SOME_KEY", raising=False)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    return ApiModel(ChatCompletions(), name="gpt-4o", api_key_env="SOME_KEY")


def test_key_that_is_missing(official: ApiModel, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ModelError, match="no API key in the environment variable SOME_KEY"):
        check_sending(official)
    monkeypatch.setenv("SOME_KEY", "sk-planted-8f2b61c09d4e7a35")
    check_sending(official)


def test_key_or_token_of_azure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SOME_TOKEN", raising=False)
    monkeypatch.delenv("AZURE_OPENAI_API_KEY", raising=False)
    model = AzureModel(
        ChatCompletions(), name="gpt-4o", base_url="https://mine.openai.azure.com", token_env="SOME_TOKEN"
    )
    with pytest.raises(ModelError, match="no key in the environment variable AZURE_OPENAI_API_KEY"):
        check_sending(model)
    monkeypatch.setenv("SOME_TOKEN", "eyJ-planted-token")
    check_sending(model)


def test_missing_key_is_the_only_line_and_a_cached_run_needs_none(
    evalkit: Commands, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half of the answers are in the cache: not even their number is told before the key is."""
    with FakeOpenAI(api_key="sk-planted-8f2b61c09d4e7a35") as server:
        words = (*asking(server, *SETTINGS, "model.api_key_env=SOME_KEY"),)
        monkeypatch.setenv("SOME_KEY", "sk-planted-8f2b61c09d4e7a35")
        samples(["a"])
        assert evalkit(*words).code == 0
        monkeypatch.setenv("SOME_KEY", "sk planted with spaces")
        assert evalkit(*words).code == 0
        samples(["a", "b"])
        assert "SOME_KEY" in evalkit(*words).error
        assert server.count == 1


def test_results_folder_deleted_during_the_run_is_made_again(
    asked: tuple[str, ...], server: FakeOpenAI, evalkit: Commands
) -> None:
    with server.hold():
        running = subprocess.Popen([sys.executable, "-m", "evalkit", *asked])
        server.wait(in_flight=N, timeout=30)
        shutil.rmtree("results")
    assert running.wait(30) == 0
    assert evalkit.report()["counts"]["answered"] == N


def test_report_that_does_not_fit_on_the_disk_is_had_by_the_same_command(
    server: FakeOpenAI, evalkit: Commands
) -> None:
    """A limit on the size of files stands for the full disk; compressed, what the cache keeps is small."""
    rows = ({"id": f"s{number}", "question": "long " * 5_000, "target": "a"} for number in range(N))
    write_lines(Path("samples.jsonl"), *rows)
    words = (*asking(server, *SETTINGS, "trials=2"),)

    def full() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (500_000, 500_000))

    ran = evalkit.process(*words, preexec_fn=full)
    assert ran.code == 2
    assert "the report cannot be written (File too large)" in ran.err
    assert "answers are in the cache" in ran.err
    assert "Traceback" not in ran.err
    assert not [one for one in Path("results").rglob("*") if one.is_file()]
    sent = server.count
    assert evalkit(*words).code == 0
    assert server.count == sent
