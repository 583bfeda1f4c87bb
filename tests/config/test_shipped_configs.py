"""Every YAML that ships composes, and its objects can be built."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet
import pytest

from evalkit import search_path
from evalkit.cli.list import choices
from evalkit.config.build import build_executor, build_mode
from evalkit.config.compose import load
from evalkit.config.data import build_data, build_dataset
from evalkit.config.gate import policy_of
from evalkit.config.model import build_model
from evalkit.config.prompting import build_postprocess, build_prompt
from evalkit.config.scores import build_metrics
from evalkit.records import Question, Sample

CONFIGS = search_path.shipped("configs")


def names(group: str) -> list[str]:
    found = sorted(path.stem for path in (CONFIGS / group).glob("*.yaml"))
    assert found, f"no config in {group}"
    return found


MAIN_FIELD = {
    "sentiment": "text",
    "summarization": "document",
    "translation": "source",
    "qa": "question",
    "code": "prompt",
    "grounded_qa": "question",
    "multiple_choice": "question",
    "multiple_choice_logprobs": "question",
    "safety": "prompt",
    "generation": "prompt",
    "math": "question",
    "extraction": "text",
    "chat": "turns",
    "customer_service": "message",
    "customer_service_intent": "text",
    "customer_service_dialogue": "turns",
    "writing": "brief",
    "tool_use": "question",
    "tool_use_text": "question",
    "vision": "question",
    "captioning": "question",
}
# What such a task is about, beside its one field of text.
BESIDE: dict[str, dict[str, Any]] = {
    "tool_use": {"tools": [], "history": []},
    "tool_use_text": {"tools": [], "history": []},
    "vision": {"image": "https://example.com/a.png"},
    "captioning": {"image": "https://example.com/a.png"},
}
OF_RUNS = {"run", "pair", "judge_rubric", "judge_pairwise", "judge_reference"}
"""Datasets and tasks made of other runs: tests/tasks/test_judge.py has them."""
NO_TARGET = {"writing"}
JUDGED = {
    **dict.fromkeys(("brief", "asked", "instructions", "output", "output_a", "output_b", "reference"), "f"),
    "conversation": [],
    "fence": "0",
}
"""What the prompts of writing and judging need."""


@pytest.mark.parametrize("name", [one for one in names("task") if one not in OF_RUNS])
def test_task_builds_and_its_prompt_needs_the_main_field_alone(name: str) -> None:
    config = load([f"task={name}"])
    assert config.task.name == name
    build_postprocess(config.task.postprocess)
    assert build_metrics(config.metrics)
    dataset = build_data(config)
    prompt = build_prompt(config.prompt)
    for sample in dataset.samples:
        assert prompt.render(sample)[-1]["role"] == "user"
    alone = Sample("one", {MAIN_FIELD[name]: "only this", **BESIDE.get(name, {})})
    assert "only this" in str(prompt.render(alone)[-1]["content"])


def local_datasets() -> list[str]:
    """Those that need no hub; the others are tested in tests/datasets/test_public.py."""
    folder = CONFIGS / "dataset"
    return [
        name
        for name in names("dataset")
        if name not in OF_RUNS and "hub.Hub" not in (folder / f"{name}.yaml").read_text("utf-8")
    ]


@pytest.mark.parametrize("name", local_datasets())
def test_dataset_reads_its_benchmark_or_asks_for_a_path(name: str, tmp_path: Path) -> None:
    config = load([f"dataset={name}"]).dataset
    if config.path is None:
        contents = {
            "jsonl": '{"text": "a"}\n', "json": '[{"text": "a"}]', "csv": "text\na\n", "tsv": "text\na\n",
            "txt": "a\n",
        }  # fmt: skip
        if name in contents:
            (tmp_path / "data").write_text(contents[name])
        else:
            table = pa.table({"text": ["a"]})
            writers = {"arrow": pyarrow.feather.write_feather, "parquet": pyarrow.parquet.write_table}
            writers[name](table, tmp_path / "data")
        config = load([f"dataset={name}", f"dataset.path={tmp_path / 'data'}"]).dataset
        assert [dict(sample.input) for sample in build_dataset(config).samples] == [{"text": "a"}]
        return
    dataset = build_dataset(config)
    assert len(dataset.samples) >= 30
    assert dataset.name == name
    # A conversation's last turn may be free.
    free = [one for one in dataset.samples if name in NO_TARGET or "turns" in one.input]
    assert all(sample.references or sample in free for sample in dataset.samples)


@pytest.mark.parametrize("name", names("prompt"))
def test_prompt_compiles(name: str) -> None:
    fields: dict[str, Any] = {"text": "a", "document": "b", "source": "c", "question": "d", "prompt": "e"}
    fields |= {"turns": ["f"], "message": "g", "messages": [{"role": "user", "content": "h"}], **JUDGED}
    fields |= {"tools": [], "image": "https://example.com/a.png"}
    assert build_prompt(load([f"prompt={name}"]).prompt).render(Sample("one", fields))


@pytest.mark.parametrize("name", names("model"))
def test_model_is_built_without_key_or_network(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    (tmp_path / "outputs.jsonl").write_text('{"id": "1", "output": "a"}\n')
    needed = {
        "azure": ["model.name=m", "model.base_url=https://r.openai.azure.com"],
        "gateway": ["model.name=m", "model.base_url=https://gateway.example/v1"],
        "recorded": [f"model.path={tmp_path / 'outputs.jsonl'}", "model.output=output"],
        **{server: ["model.name=m"] for server in ("lmstudio", "ollama", "openrouter", "vllm")},
    }
    model = build_model(load([f"model={name}", *needed.get(name, [])]))
    assert model.identity
    request = model.request(Sample("1", {}), Question(({"role": "user", "content": "hi"},)), 0)
    assert len(request.key) == 64


@pytest.mark.parametrize("name", names("metrics"))
def test_metric_family_is_selected_by_its_name(name: str) -> None:
    needed = ["metrics.evaluate.path=./anything"] if name == "evaluate" else []  # loaded when it is bound
    assert list(build_metrics(load([f"metrics=[{name}]", *needed]).metrics)) == [name]


@pytest.mark.parametrize("name", names("cache"))
def test_cache_mode(name: str) -> None:
    assert build_mode(load([f"cache={name}"])) == name


@pytest.mark.parametrize("name", names("executor"))
def test_executor_builds(name: str) -> None:
    assert build_executor(load([f"executor={name}", "executor.concurrency=3"])) is not None


@pytest.mark.parametrize("name", names("gate"))
def test_gate_policy_builds(name: str) -> None:
    assert policy_of(load([f"gate={name}"]).gate).kind == name


@pytest.mark.parametrize("name", names("experiment"))
def test_experiment_composes(name: str) -> None:
    assert load([f"experiment={name}"]).task.name


@pytest.mark.parametrize(
    "group", ["task", "dataset", "prompt", "model", "metrics", "cache", "executor", "gate", "experiment"]
)
def test_every_choice_has_a_sentence_for_the_list(group: str) -> None:
    assert {one.name for one in choices(group)} >= set(names(group))
    assert all(one.description for one in choices(group))
