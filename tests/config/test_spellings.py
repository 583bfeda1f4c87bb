"""The spellings of settings that users rely on, and what is said to those that are wrong."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from evalkit.config.build import build_metrics, build_model, build_prompt, build_source
from evalkit.config.compose import load
from evalkit.errors import ConfigError


def test_input_fields_by_dots_and_as_a_mapping() -> None:
    assert dict(load(["dataset=jsonl", "dataset.input.question=q"]).dataset.input) == {"question": "q"}
    assert dict(load(["dataset=jsonl", "dataset.input={question: q.text}"]).dataset.input) == {
        "question": "q.text"
    }


def test_the_issue_spelling_of_a_users_own_data() -> None:
    config = load(
        [
            *("task=summarization", "dataset=jsonl", "dataset.path=x.jsonl", "dataset.limit=20"),
            *("dataset.input.document=document", "dataset.target=summary", "model=local"),
        ]
    )
    assert config.task.name == "summarization"
    assert dict(config.dataset.input) == {"document": "document"}
    assert list(config.metrics) == ["rouge"]


def test_command_line_choice_wins_over_the_tasks() -> None:
    config = load(["task=translation", "metrics=[bleu]", "dataset=translation_zh_en", "prompt=qa"])
    assert list(config.metrics) == ["bleu"]
    assert config.dataset.name == "translation_zh_en"
    assert config.prompt.name == "qa"


def test_metrics_as_list_as_word_and_with_options() -> None:
    assert list(load(["metrics=[bleu,chrf]"]).metrics) == ["bleu", "chrf"]
    assert list(load(["metrics=bleu"]).metrics) == ["bleu"]
    metric = build_metrics(load(["metrics=[bleu]", "metrics.bleu.tokenize=zh"]).metrics)["bleu"]
    assert "tok:zh" in metric.signature


@pytest.mark.parametrize(
    ("override", "value"),
    [
        ("model.output=outputs.GPT4-5shot", "outputs.GPT4-5shot"),
        ("model.output=gpt-4.1", "gpt-4.1"),
        ("model.output='a,b=c'", "a,b=c"),
        ("model.output='数据'", "数据"),
    ],
)
def test_values_bare_and_quoted(override: str, value: str) -> None:
    assert load(["model=recorded", override]).model.output == value


def test_url_with_a_port_is_bare() -> None:
    assert load(["model=openai", "model.base_url=http://127.0.0.1:8000/v1"]).model.base_url == (
        "http://127.0.0.1:8000/v1"
    )


def test_backslash_n_in_stop_is_a_line_break() -> None:
    model = build_model(load(["model=gpt-4o", r'model.params.stop=["\n", "END"]']))
    assert model.settings["stop"] == ["\n", "END"]


def test_cache_off_is_a_word_and_not_false() -> None:
    assert load(["cache=off"]).cache.mode == "off"
    assert load(["cache=replay", "cache.path=/tmp/c.sqlite"]).cache.path == "/tmp/c.sqlite"


def test_prompt_from_the_command_line_and_from_a_file(tmp_path: Path) -> None:
    prompt = build_prompt(load(["prompt.template='{{ text }} ?'", "prompt.system='Be brief.'"]).prompt)
    assert (prompt.template, prompt.system) == ("{{ text }} ?", "Be brief.")
    (tmp_path / "p.txt").write_text("From a file: {{ text }}\n")
    assert (
        build_prompt(load([f"prompt.file={tmp_path / 'p.txt'}"]).prompt).template == "From a file: {{ text }}"
    )


def test_extra_parameters_are_sent_and_declared_ones_are_not_extra() -> None:
    settings = build_model(load(["model=gpt-4o", "model.extra={top_k: 5}"])).settings
    assert settings["top_k"] == 5
    with pytest.raises(ConfigError, match=r"set model\.params\.top_p"):
        build_model(load(["model=gpt-4o", "model.extra={top_p: 0.5}"]))


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("dataset.nope=1", "dataset.nope"),
        ("model.params.temprature=1", 'did you mean "temperature"'),
        ("+model.top_p=1", "model.params.top_p"),
        ("+model.params.temprature=1", 'did you mean "temperature"'),
        ("tsk=qa", 'did you mean "task"'),
        ("task=sentimen", 'did you mean "sentiment"'),
        ("model=gpt-4oo", 'did you mean "gpt-4o'),
        ("metrics=[blue]", 'did you mean "bleu"'),
        ("dataset.limit=many", "dataset.limit"),
        ("gate.kind.x=1", "gate.kind"),
    ],
)
def test_wrong_setting_is_refused_with_a_hint(override: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load([override])
    assert said in str(caught.value)
    assert caught.value.exit_code == 2


@pytest.mark.parametrize("value", ["Be brief, please", "a=b", "f(x)", "数据", "it's, ok", "50 % # off"])
def test_grammar_mistake_shows_a_spelling_that_a_shell_can_paste(value: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load([f"prompt.system={value}"])
    spelled = str(caught.value).rpartition(": ")[2]
    assert spelled.startswith("'prompt.system=")
    # What a shell makes of the spelling is what evalkit then gets.
    (pasted,) = shlex.split(spelled)
    assert load([pasted]).prompt.system == value


def test_class_outside_allowed_packages_is_refused(tmp_path: Path) -> None:
    (tmp_path / "d.jsonl").write_text("{}\n")
    config = load(
        ["dataset=jsonl", f"dataset.path={tmp_path / 'd.jsonl'}", "dataset._target_=subprocess.Popen"]
    )
    with pytest.raises(ConfigError, match="--allow-plugin subprocess"):
        build_source(config.dataset)
    with pytest.raises(ConfigError, match="--allow-plugin os"):
        build_metrics({"x": {"_target_": "os.system"}})
    # A name that one of our modules merely imported is no way around it.
    with pytest.raises(ConfigError):
        build_metrics({"x": {"_target_": "evalkit.plugins.importlib.import_module"}})


def test_metric_option_that_does_not_exist_is_named() -> None:
    with pytest.raises(ConfigError, match="use_stemmer"):
        build_metrics(load(["metrics=[rouge]", "+metrics.rouge.use_stemer=true"]).metrics)
