"""The spellings of settings that DESIGN.md promises, down to what the server receives."""

from typing import Any

import pytest
from commands import Commands, asking, write, write_lines
from fake_openai import FakeOpenAI

from evalkit.config.build import build_mode
from evalkit.config.compose import load
from evalkit.config.scores import build_metrics
from evalkit.metrics.bleu import Bleu
from evalkit.metrics.rouge import Rouge


def setting(path: str, *words: str) -> Any:
    value: Any = load(words)
    for name in path.split("."):
        value = value[name] if isinstance(value, dict) else getattr(value, name)
    return value


@pytest.mark.parametrize(
    ("words", "path", "value"),
    [
        (["dataset=jsonl", "dataset.input.question=q"], "dataset.input", {"question": "q"}),
        (["dataset=jsonl", "dataset.input={a: b, c: d}"], "dataset.input", {"a": "b", "c": "d"}),
        (["dataset=jsonl", "dataset.target=answers.text"], "dataset.target", "answers.text"),
        (["dataset=jsonl", "dataset.input.text=0"], "dataset.input.text", 0),  # read as the column "0"
        (["model=recorded", "model.output=outputs.GPT4-5shot"], "model.output", "outputs.GPT4-5shot"),
        (["model=openai", "model.name=gpt-4.1"], "model.name", "gpt-4.1"),
        (["model=openai", "model.name=org/model:7b-q4"], "model.name", "org/model:7b-q4"),
        (["model=openai", "model.base_url=http://127.0.0.1:8000/v1"], "model.base_url", "http://127.0.0.1:8000/v1"),
        (["model.params.temperature=0"], "model.params.temperature", 0.0),
        (["model.params.max_tokens=64"], "model.params.max_tokens", 64),
        (["model.params.logit_bias={50256: -100}"], "model.params.logit_bias", {50256: -100}),
        (["prompt.answer_schema=null"], "prompt.answer_schema", None),
        (["prompt=sentiment_text", "prompt.answer_schema={a: b}"], "prompt.answer_schema", {"a": "b"}),
        (["model.prices.input=2"], "model.prices.input", 2.0),
        (["prompt.system='Be brief, please.'"], "prompt.system", "Be brief, please."),
        (['prompt.system="a=b, c"'], "prompt.system", "a=b, c"),
        (["prompt.template='{{ text }} #1'"], "prompt.template", "{{ text }} #1"),
        (["dataset=jsonl", "dataset.path='数据.jsonl'"], "dataset.path", "数据.jsonl"),
        (["cache=off"], "cache.mode", "off"),
        (["cache=replay", "cache.path=a/b.sqlite"], "cache.path", "a/b.sqlite"),
        (["cache.mode=off"], "cache.mode", "off"),
        (["executor.concurrency=4"], "executor.concurrency", 4),
        (["trials=3", "seed=7"], "trials", 3),
        (["suite=nightly"], "suite", "nightly"),
        (["+dataset.input.more=m"], "dataset.input.more", "m"),
        (["model.extra={top_k: 5}"], "model.extra", {"top_k": 5}),
        (["+model.extra.top_k=5"], "model.extra", {"top_k": 5}),
        (["model.extra.top_k=5"], "model.extra", {"top_k": 5}),
        (["model.prices={input: 1.5, output: 2}"], "model.prices.input", 1.5),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)  # fmt: skip
def test_setting_arrives_with_its_value_and_type(words: list[str], path: str, value: Any) -> None:
    found = setting(path, *words)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("word", "families"),
    [
        ("metrics=[bleu,chrf]", ["bleu", "chrf"]),
        ("metrics=bleu", ["bleu"]),
        ("metrics=[exact_match]", ["exact_match"]),
    ],
)
def test_metrics_are_chosen_by_name(word: str, families: list[str]) -> None:
    assert list(load([word]).metrics) == families


def test_metric_takes_an_option_by_name() -> None:
    config = load(["metrics=[bleu,rouge]", "metrics.bleu.tokenize=zh", "metrics.rouge.use_stemmer=true"])
    metrics = build_metrics(config.metrics)
    assert isinstance(metrics["bleu"], Bleu)
    assert isinstance(metrics["rouge"], Rouge)
    assert "tok:zh" in metrics["bleu"].signature
    assert metrics["rouge"].options["use_stemmer"] is True


def test_metric_is_taken_away_again_with_a_tilde() -> None:
    assert list(load(["~metrics.f1"]).metrics) == ["accuracy"]


def test_task_brings_its_dataset_prompt_and_metrics_and_the_command_line_wins() -> None:
    config = load(["task=summarization", "metrics=[chrf]", "prompt.system=Hi"])
    assert config.dataset.name == "summarization"
    assert config.prompt.name == "summarization"
    assert config.prompt.system == "Hi"
    assert list(config.metrics) == ["chrf"]


def test_experiment_wins_over_everything_but_the_command_line(evalkit: Commands) -> None:
    text = "# @package _global_\n# A study\ntrials: 3\nmodel:\n  params:\n    temperature: 0.5\n"
    write(evalkit.folder / "configs/experiment/study.yaml", text)
    config = load(["experiment=study", "trials=2"])
    assert (config.trials, config.model.params.temperature) == (2, 0.5)


def test_cache_off_is_no_boolean() -> None:
    assert build_mode(load(["cache=off"])).value == "off"


def test_parameters_go_over_the_wire_as_they_are_written(evalkit: Commands, server: FakeOpenAI) -> None:
    ran = evalkit(
        *asking(server, "dataset.limit=1", "resamples=10", "model.params.top_p=0.5"),
        'model.params.stop=["\\n", END]',
        "model.params.temperature=0.7", "model.params.max_tokens=9", "model.params.seed=3",
        "model.extra={top_k: 5, nested: {a: [1, x]}}", "prompt=sentiment_text", "trials=2",
        "model.params.logit_bias={50256: -100}",
    )  # fmt: skip
    assert ran.code == 0, ran.err
    bodies = sorted((dict(one.body) for one in server.requests), key=lambda body: body["seed"])
    for body in bodies:
        body.pop("messages")
    same = {
        "model": "gpt-4o", "temperature": 0.7, "top_p": 0.5, "max_tokens": 9, "stop": ["\n", "END"],
        "top_k": 5, "nested": {"a": [1, "x"]}, "logit_bias": {"50256": -100},
    }  # fmt: skip
    assert bodies == [{**same, "seed": 3}, {**same, "seed": 4}]


def test_parameters_that_are_not_set_are_not_sent(evalkit: Commands, server: FakeOpenAI) -> None:
    evalkit(*asking(server, "dataset.limit=1", "resamples=10", "prompt=sentiment_text"))
    assert set(server.requests[0].body) == {"model", "messages", "temperature"}


def test_prompt_is_replaced_from_the_command_line(evalkit: Commands, server: FakeOpenAI) -> None:
    words = (
        "dataset.limit=1",
        "resamples=10",
        "prompt.system='S, {{ text[:0] }}!'",
        "prompt.template='Say: {{ text }}'",
    )
    assert evalkit(*asking(server, *words)).code == 0
    system, user = server.requests[0].body["messages"]
    assert system == {"role": "system", "content": "S, !"}
    assert user["content"].startswith("Say: ")


def test_prompt_comes_from_a_file_without_the_line_break_at_its_end(
    evalkit: Commands, server: FakeOpenAI
) -> None:
    write(evalkit.folder / "mine.txt", "Line one\n{{ text }}!\n")
    assert evalkit(*asking(server, "dataset.limit=1", "resamples=10", "prompt.file=mine.txt")).code == 0
    content = server.requests[0].body["messages"][-1]["content"]
    assert content.startswith("Line one\n")
    assert content.endswith("!")


def test_own_file_is_scored_with_mapped_columns(evalkit: Commands, server: FakeOpenAI) -> None:
    path = write_lines(evalkit.folder / "数据.jsonl", {"review": "好", "stars": {"label": "positive"}})
    words = [
        "dataset=jsonl",
        f"dataset.path='{path}'",
        "dataset.input.text=review",
        "dataset.target=stars.label",
    ]
    assert evalkit(*asking(server, *words, "resamples=10")).code == 0
    (line,) = evalkit.samples()
    assert (line["input"], line["target"]) == ({"text": "好"}, "positive")


def test_recorded_outputs_are_scored_by_a_dotted_column(evalkit: Commands) -> None:
    path = write_lines(
        evalkit.folder / "rows.jsonl",
        {"id": "1", "question": "?", "answer": "yes", "outputs": {"GPT4-5shot": "yes"}},
        {"id": "2", "question": "?", "answer": "no", "outputs": {"GPT4-5shot": "yes"}},
    )
    ran = evalkit(
        "run", "task=qa", "dataset=jsonl", f"dataset.path={path}", "dataset.input={question: question}",
        "dataset.target=answer", "model=recorded", f"model.path={path}", "model.output=outputs.GPT4-5shot",
    )  # fmt: skip
    assert ran.code == 0, ran.err
    assert "2 recorded outputs, nothing was sent" in ran.err
    assert evalkit.report()["metrics"]["exact_match"]["value"] == 0.5
