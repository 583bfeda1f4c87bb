"""Configs run no code that the user has not allowed, whatever door they try."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest
from commands import Commands, asking, write, write_lines
from fake_openai import FakeOpenAI
from plugin_package import make_package

_names = (f"stranger{number}" for number in count())


@pytest.fixture
def stranger(evalkit: Commands, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A package on the import path that nobody has allowed; its name is new in every test."""
    name = next(_names)
    monkeypatch.syspath_prepend(str(evalkit.folder))
    make_package(evalkit.folder, name)
    yield name
    for loaded in [one for one in sys.modules if one.partition(".")[0] == name]:
        del sys.modules[loaded]


def imported(evalkit: Commands, name: str) -> bool:
    return (evalkit.folder / f"{name}-was-imported").exists()


DOORS = {
    "dataset": "dataset._target_={0}.parts.Numbers",
    "model": "model._target_={0}.parts.Echo",
    "metric": "+metrics.length._target_={0}.parts.Length",
    "step": "task.postprocess=[{{_target_: {0}.parts.Shout}}]",
    "executor": "executor._target_={0}.parts.Echo",
    "field's step": "dataset.preprocess={{text: [{{_target_: {0}.parts.Shout}}]}}",
    "metric's step": "+metrics.accuracy.preprocess=[{{_target_: {0}.parts.Shout}}]",
}


@pytest.mark.parametrize("door", DOORS)
def test_class_of_a_package_that_is_not_allowed_is_refused_unimported(
    door: str, evalkit: Commands, server: FakeOpenAI, stranger: str
) -> None:
    error = evalkit(*asking(server, DOORS[door].format(stranger))).error
    assert f"--allow-plugin {stranger} or EVALKIT_PLUGINS={stranger}" in error
    assert not imported(evalkit, stranger)


@pytest.mark.parametrize(
    "target",
    [
        "os.system",
        "subprocess.Popen",
        "builtins.eval",
        "evalkit.report.provenance.subprocess.Popen",
        "evalkit.report.provenance.subprocess",
        "evalkit.cli.main.main",
        "evalkit.cli.main.os",
        "evalkit.report.write.Path",
        "evalkitty.parts.Numbers",
        ".os.system",
        "evalkit..client",
        "evalkit.",
    ],
)
def test_nothing_is_reached_through_evalkits_own_modules(
    target: str, evalkit: Commands, server: FakeOpenAI
) -> None:
    assert "dataset._target_" in evalkit(*asking(server, f"dataset._target_={target}")).error


def test_allowed_package_gives_every_kind_of_plugin(evalkit: Commands, stranger: str) -> None:
    ran = evalkit(
        "--allow-plugin", stranger, "run", f"dataset._target_={stranger}.parts.Numbers",
        "+dataset.options.count=5", "dataset.path=null", "dataset.name=numbers",
        f"model._target_={stranger}.parts.Echo", "model.name=echo", "model.options.suffix=abc",
        "prompt.template='{{ text }}'", "prompt.system=null",
        f"task.postprocess=[strip,{{_target_: {stranger}.parts.Shout, mark: '?'}}]",
        f"metrics.accuracy._target_={stranger}.parts.Length", "~metrics.accuracy.ignore_case", "~metrics.f1",
        "+metrics.accuracy.scale=10",
    )  # fmt: skip
    assert ran.code == 0, ran.err
    assert [line["prediction"] for line in evalkit.samples()] == [f"{number}ABC?" for number in range(5)]
    assert evalkit.report()["metrics"]["length"]["value"] == 50
    assert evalkit.report()["metrics"]["length"]["signature"] == "scale:10"


@pytest.mark.parametrize("spelling", ["two words", "one word", "variable", "dotted"])
def test_package_is_allowed_by_flag_or_variable(
    spelling: str, evalkit: Commands, stranger: str, monkeypatch: pytest.MonkeyPatch, server: FakeOpenAI
) -> None:
    flags: list[str] = []
    if spelling == "variable":
        monkeypatch.setenv("EVALKIT_PLUGINS", f" other , {stranger}")
    elif spelling == "dotted":
        flags = ["--allow-plugin", f"{stranger}.parts"]
    else:
        flags = ["--allow-plugin", stranger] if spelling == "two words" else [f"--allow-plugin={stranger}"]
    words = asking(server, f"dataset._target_={stranger}.parts.Numbers", "resamples=10")
    ran = evalkit(*flags, *words)
    assert ran.code == 0, ran.err


def test_allowing_part_of_a_package_allows_no_more(
    evalkit: Commands, stranger: str, server: FakeOpenAI
) -> None:
    words = asking(server, f"dataset._target_={stranger}.parts.Numbers")
    assert "configs may run code only" in evalkit("--allow-plugin", f"{stranger}.other", *words).error


@pytest.mark.parametrize("package", ["", "a-b", "../x", "a.b.", "1x"])
def test_flag_wants_a_package(package: str, evalkit: Commands) -> None:
    assert "needs the name of a package" in evalkit("run", "--allow-plugin", package).error


@pytest.mark.parametrize(
    ("word", "says"),
    [
        ("dataset._target_={0}.parts.Number", '(did you mean "Numbers"?)'),
        ("dataset._target_={0}.parts.factory", "has no class factory"),
        ("dataset._target_={0}.parts.subprocess", "has no class subprocess"),
        ("dataset._target_={0}.nope.Numbers", "cannot import"),
        ("dataset._target_={0}.broken.Numbers", "SyntaxError"),
        ("dataset._target_={0}.parts.Picky", "never satisfied"),
        ("dataset.options.cuont=1", "has no such option"),
    ],
)
def test_mistakes_about_an_allowed_plugin_are_explained(
    word: str, says: str, evalkit: Commands, stranger: str, server: FakeOpenAI
) -> None:
    write(evalkit.folder / stranger / "broken.py", "def (")
    words = asking(server, f"dataset._target_={stranger}.parts.Numbers", word.format(stranger))
    assert says in evalkit("--allow-plugin", stranger, *words).error


def test_config_file_cannot_allow_itself(evalkit: Commands, stranger: str, server: FakeOpenAI) -> None:
    text = f"# mine\n_target_: {stranger}.parts.Numbers\nallow_plugin: [{stranger}]\n"
    write(evalkit.folder / "configs/dataset/mine.yaml", text)
    assert "dataset.allow_plugin is no setting" in evalkit(*asking(server, "dataset=mine")).error
    assert not imported(evalkit, stranger)


# What a task file of a pull request could hold for Hydra itself.
HYDRAS_DOORS = {
    "environment": "job: {env_set: {EVALKIT_PLUGINS: NAME}}",
    "callback": "callbacks: {x: {_target_: NAME.parts.Numbers}}",
    "callback through evalkit": (
        "callbacks: {x: {_target_: evalkit.report.provenance.subprocess.Popen, "
        "args: [touch, NAME-was-imported]}}"
    ),
    "launcher": "launcher: {_target_: NAME.parts.Numbers}",
    "sweeper": "sweeper: {_target_: NAME.parts.Numbers}",
    "inside the sweeper": (
        "sweeper: {params: {x: {_target_: subprocess.check_output, args: [touch, NAME-was-imported]}}}"
    ),
    "logging factory": "job_logging: {handlers: {x: {(): NAME.parts.factory}}, root: {handlers: [x]}}",
    "logging class": "hydra_logging: {handlers: {x: {class: NAME.parts.Numbers}}, root: {handlers: [x]}}",
}


@pytest.mark.parametrize(
    ("door", "chosen"),
    [
        *((door, "task=qa,mine") for door in HYDRAS_DOORS),
        ("environment", "task=mine"),
        ("callback", "task=mine"),
    ],
)
def test_task_file_cannot_make_hydra_run_code(
    door: str, chosen: str, evalkit: Commands, stranger: str, server: FakeOpenAI
) -> None:
    hydra = HYDRAS_DOORS[door].replace("NAME", stranger)
    text = f"# @package _global_\n# Mine\ntask: {{name: mine}}\nhydra:\n  {hydra}\n"
    write(evalkit.folder / "configs/task/mine.yaml", text)
    ran = evalkit(*asking(server, "-m", chosen, "dataset.limit=1"))
    assert "hydra." in ran.error
    assert not imported(evalkit, stranger)
    assert server.count == 0


def test_primary_config_cannot_make_hydra_import_a_package(evalkit: Commands, stranger: str) -> None:
    write(evalkit.folder / "configs/evalkit.yaml", f"hydra: {{searchpath: ['pkg://{stranger}.parts']}}\n")
    for words in (["run"], ["run", "-m", "trials=1,2"]):
        assert "configs may not import packages" in evalkit(*words).error
    assert not imported(evalkit, stranger)


def test_key_in_the_settings_is_refused(
    evalkit: Commands, server: FakeOpenAI, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-a-very-secret-key-0123456789")
    error = evalkit(*asking(server, "prompt.system=${oc.env:OPENAI_API_KEY}")).error
    assert "prompt.system holds the API key of OPENAI_API_KEY" in error
    assert "secret" not in error
    assert server.count == 0


def test_key_given_for_its_variables_name_is_refused_and_not_shown(
    evalkit: Commands, server: FakeOpenAI
) -> None:
    error = evalkit(*asking(server, "model.api_key_env=sk-a-very-secret-key-0123456789")).error
    assert "must be the name of an environment variable" in error
    assert "secret" not in error


def test_no_file_holds_the_key_or_an_addresss_credentials(
    evalkit: Commands, monkeypatch: pytest.MonkeyPatch
) -> None:
    secrets = ["sk-a-very-secret-key-0123456789", "pass-word-1", "query-secret-2"]
    monkeypatch.setenv("MY_KEY", secrets[0])
    with FakeOpenAI(answer=f"You sent {secrets[0]}") as server:
        address = server.base_url.replace("://", f"://user:{secrets[1]}@") + f"?token={secrets[2]}"
        path = write_lines(evalkit.folder / "rows.jsonl", {"text": "t", "label": "positive"})
        words = (
            "model=openai", f'model.base_url="{address}"', "model.api_key_env=MY_KEY", "dataset=jsonl",
            f"dataset.path={path}", "dataset.target=label", "resamples=10",
        )  # fmt: skip
        ran = evalkit("run", *words)
        assert ran.code == 0, ran.err
        assert server.count == 1
    files = [one for one in Path().rglob("*") if one.is_file()]
    assert len(files) >= 5
    shown = ran.out + ran.err
    for secret in secrets:
        assert secret not in shown
        assert not [one for one in files if secret.encode() in one.read_bytes()]
    assert evalkit.report()["config"]["model"]["base_url"] == server_identity(address)


def server_identity(address: str) -> str:
    scheme, _, rest = address.partition("://")
    return f"{scheme}://{rest.partition('@')[2].partition('?')[0]}"
