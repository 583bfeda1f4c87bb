"""Every shipped config file composes, and what it describes can be built."""

from __future__ import annotations

from pathlib import Path

import pytest
from commands import Commands, asking, write_lines
from fake_openai import FakeOpenAI

from evalkit.cache.base import Mode
from evalkit.cli.list import GROUPS, choices
from evalkit.config.build import (
    build_dataset,
    build_executor,
    build_metrics,
    build_mode,
    build_model,
    build_prompt,
    build_task,
)
from evalkit.config.check import check_settings
from evalkit.config.compose import load
from evalkit.records import Sample
from evalkit.scoring import check_metrics
from evalkit.search_path import shipped

CONFIGS = shipped("configs")
MAIN_FIELD = {
    "qa": "question",
    "sentiment": "text",
    "sentiment_text": "text",
    "summarization": "document",
    "translation": "source",
}


def names(group: str) -> list[str]:
    return sorted(path.stem for path in (CONFIGS / group).glob("*.yaml"))


def test_every_group_has_its_files() -> None:
    groups = {path.name for path in CONFIGS.iterdir() if path.is_dir()}
    assert groups >= {"task", "dataset", "prompt", "model", "metrics", "cache", "executor", "experiment"}
    assert all(names(group) for group in groups)


@pytest.mark.parametrize(
    "path", sorted(CONFIGS.glob("*/*.yaml")), ids=lambda path: f"{path.parent.name}/{path.stem}"
)
def test_a_files_first_comment_is_its_line_in_the_list(path: Path) -> None:
    (found,) = (one for one in choices(path.parent.name) if one.name == path.stem)
    assert found.description
    assert not found.yours


def test_list_knows_the_groups_that_one_chooses_from() -> None:
    assert set(GROUPS.values()) <= {path.name for path in CONFIGS.iterdir() if path.is_dir()}


@pytest.mark.parametrize("name", names("task"))
def test_task_is_built_and_every_prompt_renders(name: str) -> None:
    config = load([f"task={name}"])
    check_settings(config)
    task = build_task(config)
    check_metrics(task)
    assert task.name == name
    assert len(task.dataset.samples) >= 40
    assert all(task.prompt.render(sample) for sample in task.dataset.samples)


@pytest.mark.parametrize("name", names("task"))
def test_task_runs_against_a_server(name: str, evalkit: Commands, server: FakeOpenAI) -> None:
    ran = evalkit(*asking(server, f"task={name}", "dataset.limit=2", "resamples=10"))
    assert ran.code == 0, ran.err
    assert server.count == 2
    assert evalkit.report()["task"]["name"] == name


@pytest.mark.parametrize("name", names("dataset"))
def test_dataset_is_read(name: str, tmp_path: Path) -> None:
    words = [f"dataset={name}"]
    if load(words).dataset.path is None:  # a format, for the user's own file
        rows = {
            "jsonl": '{"text": "a", "label": "b"}\n',
            "json": '[{"text": "a", "label": "b"}]',
            "csv": "text,label\na,b\n",
            "tsv": "text\tlabel\na\tb\n",
            "txt": "a\n",
        }
        path = tmp_path / f"mine.{name}"
        path.write_text(rows[name], "utf-8")
        target = "text" if name == "txt" else "label"
        words += [f"dataset.path={path}", "dataset.input={text: text}", f"dataset.target={target}"]
    dataset = build_dataset(load(words).dataset)
    assert all(sample.input and sample.references for sample in dataset.samples)
    assert len({sample.id for sample in dataset.samples}) == len(dataset.samples)


@pytest.mark.parametrize("name", [name for name in names("dataset") if name.startswith("translation_")])
def test_translation_names_both_languages(name: str) -> None:
    task = build_task(load(["task=translation", f"dataset={name}"]))
    text = task.prompt.render(task.dataset.samples[0])[-1]["content"]
    languages = {"en": "English", "de": "German", "fr": "French", "zh": "Chinese"}
    _, source, target = name.split("_")
    assert languages[source] in text
    assert f"into {languages[target]}" in text


@pytest.mark.parametrize("name", names("prompt"))
def test_prompt_renders_with_the_main_field_alone(name: str) -> None:
    prompt = build_prompt(load([f"prompt={name}"]).prompt)
    messages = prompt.render(Sample("1", {MAIN_FIELD[name]: "The text itself."}))
    assert "The text itself." in messages[-1]["content"]
    assert prompt.name == name


@pytest.mark.parametrize("name", names("model"))
def test_model_is_built_without_being_started(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    words = [f"model={name}"]
    if name == "recorded":
        words += [
            f"model.path={write_lines(tmp_path / 'out.jsonl', {'id': '1', 'answer': 'a'})}",
            "model.output=answer",
        ]
    config = load(words)
    check_settings(config)
    model = build_model(config)
    if name.startswith("gpt-"):
        assert model.name == name
        assert model.prices is not None
        assert model.prices.output > model.prices.input > 0
        assert model.identity == "https://api.openai.com/v1"
        reasoning = name.startswith("gpt-5")
        assert model.settings == ({} if reasoning else {"temperature": 0.0})


@pytest.mark.parametrize("name", names("metrics"))
def test_metric_is_built_under_its_own_name(name: str) -> None:
    metrics = build_metrics(load([f"metrics={name}"]).metrics)
    assert list(metrics) == [name]


@pytest.mark.parametrize("name", names("cache"))
def test_cache_choice_is_its_mode(name: str) -> None:
    assert build_mode(load([f"cache={name}"])) is Mode(name)


@pytest.mark.parametrize("name", names("executor"))
def test_executor_is_built(name: str) -> None:
    assert hasattr(build_executor(load([f"executor={name}", "executor.concurrency=3"])), "run")


@pytest.mark.parametrize("name", names("experiment"))
def test_experiment_composes(name: str) -> None:
    check_settings(load([f"experiment={name}"]))


def test_default_run_needs_no_key_and_no_setting() -> None:
    config = load()
    assert (config.task.name, config.model.name, config.cache.mode) == ("sentiment", "smollm2-135m", "rw")
