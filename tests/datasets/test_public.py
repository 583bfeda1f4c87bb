"""Shipped configs of public datasets, on made-up rows in the schema that the hub publishes for each.

`tests/public_schemas/` holds the published columns, types and label names, each with its source. No machine
here reaches the hub, so what its files hold beyond that schema is not tested.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sandboxed import need_sandbox

from evalkit.config.build import build_task
from evalkit.config.compose import load
from evalkit.config.schema import RunConfig
from evalkit.datasets.base import FieldMap, Row
from evalkit.datasets.base import load as load_rows
from evalkit.errors import ConfigError, DatasetError
from evalkit.postprocess import Unparsed
from evalkit.preflight import check_metrics
from evalkit.records import Outcome, Response, Sample
from evalkit.scoring import Resampling, score
from evalkit.search_path import shipped
from evalkit.task import Task

SCHEMAS = [
    json.loads(path.read_text("utf-8"))
    for path in sorted((Path(__file__).parents[1] / "public_schemas").glob("*.json"))
]
SCHEMA_OF = {name: schema for schema in SCHEMAS for name in schema["configs"]}
LANGUAGES = {"en": "English", "de": "German", "fr": "French", "ro": "Romanian", "zh": "Chinese"}
HUB = "evalkit.datasets.hub.Hub"


def hub_configs() -> list[str]:
    """The configs that name a dataset of the hub; `dataset=hub` names none."""
    found = []
    for path in sorted((shipped("configs") / "dataset").glob("*.yaml")):
        text = path.read_text("utf-8")
        if HUB in text and re.search(r"^  path: \S+/\S+$", text, re.MULTILINE):
            found.append(path.stem)
    return found


NAMES = hub_configs()


@dataclass(frozen=True)
class Public:
    """A config as a user gets it, the same with its hub id replaced by a folder, and its task over that."""

    config: RunConfig
    local: RunConfig
    task: Task
    schema: dict[str, Any]


@pytest.fixture(params=NAMES, scope="module")
def public(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Public:
    return public_of(request.param, tmp_path_factory.mktemp("public"))


def public_of(name: str, folder: Path, *overrides: str) -> Public:
    """Compose the config and read it, its hub id replaced by a folder of the schema's splits."""
    from datasets import Dataset, DatasetDict, Features, disable_progress_bars

    disable_progress_bars()
    schema = SCHEMA_OF[name]
    config = load([f"task={schema['task']}", f"dataset={name}", *schema.get("overrides", ()), *overrides])
    features = Features.from_dict(stored(schema["features"]))
    kept = roots([config.dataset.target]) - roots(list(config.dataset.input.values()))
    others = [{**changed(row), **{name: row[name] for name in kept & set(row)}} for row in schema["rows"]]
    splits = {
        split: schema["rows"] if split == config.dataset.split else others for split in schema["splits"]
    }
    tables = {split: Dataset.from_list(drawn(rows), features=features) for split, rows in splits.items()}
    DatasetDict(tables).save_to_disk(str(folder / name))
    local = replace(config, dataset=replace(config.dataset, path=str(folder / name)))
    return Public(config, local, build_task(local), schema)


def stored(features: dict[str, Any]) -> dict[str, Any]:
    """Images as files hold them: their bytes with a name."""
    image = {
        name: {"dtype": kind, "_type": "Value"} for name, kind in (("bytes", "binary"), ("path", "string"))
    }
    return {name: image if one == {"_type": "Image"} else one for name, one in features.items()}


def drawn(value: Any) -> Any:
    """The rows with a picture for every `{"drawn": width}`."""
    if isinstance(value, list):
        return [drawn(one) for one in value]
    if isinstance(value, dict) and "drawn" in value:
        return {"bytes": b"GIF89a" + value["drawn"].to_bytes(2, "little") + b"\1\0\0\0\0", "path": "a.gif"}
    return {key: drawn(one) for key, one in value.items()} if isinstance(value, dict) else value


def beside(task: Task) -> set[str]:
    """The input fields that stand beside a message's text: tools and images."""
    return {one for one in (task.prompt.tools, task.prompt.images) if isinstance(one, str)}


def changed(value: Any) -> Any:
    """The same schema with other texts: the rows of another split, but for their targets."""
    if isinstance(value, dict):
        return {key: changed(one) for key, one in value.items()}
    if isinstance(value, list):
        return [changed(one) for one in value]
    return f"{value} again" if isinstance(value, str) else value


def roots(paths: list[Any]) -> set[str]:
    """The columns that dotted paths begin at."""
    return {str(one).partition(".")[0] for one in flat(paths) if one}


def flat(values: list[Any]) -> list[Any]:
    """The values, and those of lists among them."""
    return [one for value in values for one in (value if isinstance(value, list) else [value])]


def test_every_public_config_has_one_schema_and_every_schema_a_config() -> None:
    named = [name for schema in SCHEMAS for name in schema["configs"]]
    assert sorted(named) == NAMES
    assert len(NAMES) > 20
    assert all(schema["source"] for schema in SCHEMAS)


def test_the_config_names_what_the_hub_publishes(public: Public) -> None:
    dataset, schema = public.config.dataset, public.schema
    assert dataset._target_ == HUB
    assert (dataset.path, dataset.subset) == (schema["dataset"], schema["subset"])
    assert dataset.split in schema["splits"]
    assert public.config.fewshot.split in {None, *schema["splits"]} - {dataset.split}
    columns = [*dataset.input.values(), dataset.target, dataset.id, dataset.group]
    assert roots(columns) <= set(schema["features"])


def test_the_revision_is_a_whole_commit_or_the_comment_says_why_not(public: Public) -> None:
    revision = public.config.dataset.revision
    text = (shipped("configs") / "dataset" / f"{public.config.dataset.name}.yaml").read_text("utf-8")
    assert (re.fullmatch(r"[0-9a-f]{40}", revision or "") is None) == ("No public pin of this id" in text)


def test_the_comment_tells_licence_origin_columns_and_published_score(public: Public) -> None:
    text = (shipped("configs") / "dataset" / f"{public.config.dataset.name}.yaml").read_text("utf-8")
    for word in ("Licence: ", "Origin: ", "Columns: ", "Published: "):
        assert word in text, word


def test_the_page_of_public_datasets_names_it_with_its_id_and_split(public: Public) -> None:
    dataset = public.config.dataset
    page = (Path(__file__).parents[2] / "docs" / "public-datasets.md").read_text("utf-8")
    (row,) = (line for line in page.splitlines() if line.startswith(f"| `{dataset.name}` |"))
    assert f"[{dataset.path}](https://huggingface.co/datasets/{dataset.path})" in row
    assert f"| {public.schema['task']} |" in row
    assert f"| {dataset.split} |" in row


def test_the_prompt_shows_the_input_and_never_the_target(public: Public) -> None:
    task = public.task
    assert len(task.dataset.samples) == len(public.schema["rows"])
    for sample in task.dataset.samples:
        messages = task.prompt.render(sample)
        if task.prompt.turns is not None:
            assert messages[-1]["content"] == sample.input[task.prompt.turns][0]
            continue
        content = messages[-1]["content"]
        shown = content if isinstance(content, str) else content[0]["text"]
        for name, value in sample.input.items():
            for text in filter(None, flat([value])):
                assert name in beside(task) or str(text).strip() in shown
        if task.name in {"translation", "summarization"}:
            assert all(reference not in str(messages) for reference in sample.references)


def test_an_answer_as_few_shot_examples_show_it_scores_full_marks(public: Public) -> None:
    task = public.task
    if task.name == "code":
        need_sandbox()
    check_metrics(task)
    outcomes = [outcome_of(public, sample, place) for place, sample in enumerate(task.dataset.samples)]
    scored = score(task, outcomes, Resampling(resamples=1))
    assert not scored.unparsed.any()
    # Of what an answer is right by; what has no value has no such sample here.
    measured = [one for one in scored.metrics.values() if one.needs_target or task.name != "grounded_qa"]
    headline = {name for metric in measured for name in metric.headline}
    found = [one for one in scored.aggregates if one.metric in headline and not np.isnan(one.value)]
    assert found
    best = [one.maximum if one.higher_is_better else 0.0 for one in found]
    assert np.allclose([one.value for one in found], best)


def right_answer(public: Public, sample: Sample, place: int) -> Response:
    """The answer that an example shows; else the schema's, by row or by a part of the question."""
    task, answers = public.task, public.schema.get("answers", {})
    if isinstance(answers, list):
        return Response(answers[place])
    question = task.prompt.question(sample) if answers else ""
    told = next((answer for part, answer in answers.items() if part in question), None)
    if told is None and task.name != "tool_use":
        told = task.prompt.answer(public.config.fewshot.answer, sample)
    if told is not None:
        return Response(told)
    calls = json.loads(sample.target)  # they stand in a field of their own
    return Response("", tool_calls=[
        {"type": "function", "function": {**one, "arguments": json.dumps(one["arguments"])}} for one in calls
    ])  # fmt: skip


def outcome_of(public: Public, sample: Sample, place: int) -> Outcome:
    """The right answer; of a conversation, the reference of every turn."""
    turns = public.task.prompt.turns
    if turns is None:
        return Outcome(sample.id, 0, "", right_answer(public, sample, place))
    replies = sample.target or ["free"] * len(sample.input[turns])
    *earlier, last = (Outcome(sample.id, 0, "", Response(text)) for text in replies)
    return replace(last, earlier=tuple(earlier))


def test_examples_need_no_more_than_their_number(public: Public) -> None:
    """Where the hub has a second split, the config names it; elsewhere a file must be given."""
    wanted = replace(public.local, fewshot=replace(public.local.fewshot, k=1))
    if public.task.prompt.images is None and not set(public.schema["splits"]) - {public.config.dataset.split}:
        with pytest.raises(ConfigError, match=r"fewshot\.k=1: examples need rows of their own"):
            build_task(wanted)
        return
    if public.task.prompt.images is not None:
        with pytest.raises(ConfigError, match="examples cannot show images"):
            build_task(wanted)
        return
    task = build_task(wanted)
    (example,) = task.prompt.examples
    *_, asked, answered, question = task.prompt.render(task.dataset.samples[0])
    assert [asked["role"], answered["role"], question["role"]] == ["user", "assistant", "user"]
    assert " again" in str(asked["content"])
    assert answered["content"] == example["answer"]


@pytest.mark.parametrize("name", [name for name in NAMES if SCHEMA_OF[name]["task"] == "translation"])
def test_a_translation_names_its_languages_and_reads_them_the_right_way_round(
    name: str, tmp_path: Path
) -> None:
    source, target = name.split("_")[-2:]
    public = public_of(name, tmp_path)
    (sample,) = public.task.dataset.samples
    text = str(public.task.prompt.render(sample)[-1]["content"])
    assert f"{LANGUAGES[source]} text into {LANGUAGES[target]}" in text
    row = next(iter(public.schema["rows"][0].values()))
    assert (sample.input["source"], sample.target) == (row[source], row[target])


@pytest.mark.parametrize("name", ["sst2", "imdb", "rotten_tomatoes", "amazon_polarity", "yelp_polarity"])
def test_two_labels_are_asked_for_offered_and_read(name: str, tmp_path: Path) -> None:
    task = public_of(name, tmp_path).task
    assert [sample.target for sample in task.dataset.samples] == ["negative", "positive"]
    assert "neutral" not in str(task.prompt.render(task.dataset.samples[0]))
    assert isinstance(task.prompt.answer_schema, Mapping)
    assert task.prompt.answer_schema["properties"]["sentiment"]["enum"] == ["positive", "negative"]
    with pytest.raises(Unparsed):
        task.postprocess('{"sentiment": "neutral"}')


def test_three_labels_stay_three(tmp_path: Path) -> None:
    task = public_of("tweet_eval", tmp_path).task
    assert [sample.target for sample in task.dataset.samples] == ["negative", "neutral", "positive"]
    assert task.prompt.render(task.dataset.samples[0])[0] == {
        "role": "system",
        "content": (
            "Classify the sentiment of the text. Answer in JSON with one label:\n"
            "neutral: the text only states facts\nnegative: the writer is unhappy\n"
            "positive: the writer is happy"
        ),
    }
    assert task.postprocess("neutral") == "neutral"


def test_squad_counts_as_its_own_script_does(tmp_path: Path) -> None:
    """Case, articles and punctuation do not count there (Rajpurkar et al. 2016)."""
    task = public_of("squad", tmp_path).task
    first, second = sorted(task.dataset.samples, key=lambda sample: sample.id)
    told = {first.id: '{"answer": "In 1804."}', second.id: '{"answer": "Old Hart family"}'}
    answers = [Outcome(one.id, 0, "", Response(told[one.id])) for one in task.dataset.samples]
    values = {one.metric: one.value for one in score(task, answers, Resampling(resamples=1)).aggregates}
    assert values["exact_match"] == 1.0
    assert first.references == ("1804", "in 1804")
    assert first.group == second.group == "Mill_Lane"


def test_options_that_the_dataset_brings_give_way_to_the_user_s(tmp_path: Path) -> None:
    signatures = {
        override: public_of("squad", tmp_path, *override.split()).task.metrics["exact_match"].signature
        for override in ("", "metrics.exact_match.normalize=none")
    }
    assert list(signatures.values()) == ["norm:squad|case:mixed", "norm:none|case:mixed"]
    assert list(public_of("squad", tmp_path, "metrics=[token_f1]").task.metrics) == ["token_f1"]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("cnn_dailymail", "three or four short sentences"),
        ("xsum", "one short sentence"),
        ("samsum", "one or"),
    ],
)
def test_a_summary_is_asked_for_as_long_as_the_references_are(name: str, words: str, tmp_path: Path) -> None:
    task = public_of(name, tmp_path).task
    assert f"in {words}" in str(task.prompt.render(task.dataset.samples[0])[-1]["content"])


@pytest.mark.parametrize(("label", "target"), [("neg", "negative"), (1, "positive"), (True, "yes")])
def test_labels_spell_the_target_as_the_task_does(label: Any, target: str) -> None:
    row = Row({"t": "x", "label": label}, "line 1")
    fields = FieldMap({"text": "t"}, "label", labels={"neg": "negative", "1": "positive", "true": "yes"})
    (sample,) = load_rows(Rows(row), fields).samples
    assert sample.target == target


@pytest.mark.parametrize("label", ["Neg", 2, ["neg"]])
def test_a_target_that_labels_do_not_name_is_refused(label: Any) -> None:
    with pytest.raises(DatasetError, match=r"rows, line 1: the target .* is none of dataset\.labels \(neg\)"):
        load_rows(Rows(Row({"label": label}, "line 1")), FieldMap(target="label", labels={"neg": "negative"}))


class Rows:
    """A source of rows given directly."""

    name = "rows"

    def __init__(self, *rows: Row) -> None:
        self._rows = rows

    def rows(self) -> Iterator[Row]:
        yield from self._rows
