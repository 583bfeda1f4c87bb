"""What shipped configs do, beyond that each of them composes and is built (test_shipped_configs.py)."""

import json

import pytest
from commands import Commands, asking
from fake_openai import FakeOpenAI
from omegaconf import OmegaConf

from evalkit.config.build import build_task
from evalkit.config.check import check_settings
from evalkit.config.compose import load, plain
from evalkit.config.model import build_model
from evalkit.preflight import check_metrics
from evalkit.search_path import shipped

CONFIGS = shipped("configs")


def names(group: str) -> list[str]:
    return sorted(path.stem for path in (CONFIGS / group).glob("*.yaml"))


# The judges read another run's outputs: tests/tasks/test_judge.py has them.
ASKING = [name for name in names("task") if not name.startswith("judge_")]


@pytest.mark.parametrize("name", ASKING)
def test_task_runs_against_a_server(name: str, evalkit: Commands, server: FakeOpenAI) -> None:
    ran = evalkit(*asking(server, f"task={name}", "dataset.limit=2", "resamples=10"))
    assert ran.code == 0, ran.err
    report = evalkit.report()
    assert server.count == report["counts"]["requests"] >= 2
    assert report["dataset"]["n"] == 2
    assert report["task"]["name"] == name


@pytest.mark.parametrize("name", names("task"))
def test_settings_in_a_report_are_what_omegaconf_makes_of_them(name: str) -> None:
    config = load([f"task={name}", "+metrics.mine={_target_: a.B, deep: [[1, {x: null}], 0.5, true]}"])
    wanted = OmegaConf.to_container(OmegaConf.structured(config), resolve=True)
    found = plain(config)
    assert json.dumps(found) == json.dumps(wanted)


def test_a_text_that_looks_like_a_reference_stays_a_text() -> None:
    config = load(["task=qa"])
    config.prompt.template = "${seed} {{ question }}"
    assert plain(config)["prompt"]["template"] == "${seed} {{ question }}"


@pytest.mark.parametrize("name", ASKING)
def test_tasks_metrics_can_score_its_data(name: str) -> None:
    config = load([f"task={name}"])
    check_settings(config)
    check_metrics(build_task(config))


@pytest.mark.parametrize("name", [name for name in names("dataset") if name.startswith("translation_")])
def test_translation_names_both_languages(name: str) -> None:
    task = build_task(load(["task=translation", f"dataset={name}"]))
    text = task.prompt.render(task.dataset.samples[0])[-1]["content"]
    languages = {"en": "English", "de": "German", "fr": "French", "zh": "Chinese"}
    _, source, target = name.split("_")
    assert languages[source] in text
    assert f"into {languages[target]}" in text


@pytest.mark.parametrize("name", [name for name in names("model") if name.startswith("gpt-")])
def test_openai_model_has_its_name_its_prices_and_parameters_that_it_takes(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    model = build_model(load([f"model={name}"]))
    assert model.name == name
    assert model.prices is not None
    assert model.prices.output > model.prices.input > (model.prices.cached_input or 0) >= 0
    assert model.prices.recorded
    assert model.identity == "https://api.openai.com/v1"
    assert model.settings == ({} if name.startswith("gpt-5") else {"temperature": 0.0})


def test_default_run_needs_no_key_and_no_setting() -> None:
    config = load()
    assert (config.task.name, config.model.name, config.cache.mode) == ("sentiment", "smollm2-135m", "rw")
