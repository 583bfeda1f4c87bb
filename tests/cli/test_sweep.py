"""`evalkit run` through Hydra's own front: sweeps, --cfg, --info; processes, for Hydra owns sys.argv."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from commands import Commands, asking, write, write_lines
from fake_openai import FakeOpenAI, Fault, FaultPlan

SMALL = ("dataset.limit=2", "resamples=10")


def suite(folder: Path, name: str = "sweep") -> dict[str, Any]:
    (path,) = (folder / "results" / "suites").glob(f"{name}-*.json")
    data: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return data


def test_sweep_runs_every_combination_into_one_table(evalkit: Commands, server: FakeOpenAI) -> None:
    words = asking(server, "-m", "metrics=[accuracy],[f1]", "model.params.temperature=0,0.7", *SMALL)
    ran = evalkit.process(*words)
    assert ran.code == 0, ran.err
    header, *rows, _ = ran.out.splitlines()
    assert header.split()[:5] == ["#", "metrics", "temperature", "accuracy", "f1_macro"]
    assert header.split()[-4:] == ["latency", "s", "failed", "run"]
    assert [row.split()[:3] for row in rows] == [
        ["1", "[accuracy]", "0"], ["2", "[accuracy]", "0.7"], ["3", "[f1]", "0"], ["4", "[f1]", "0.7"]
    ]  # fmt: skip
    assert server.count == 4  # two samples, two temperatures: the second metric asks nothing
    members = suite(evalkit.folder)["members"]
    assert [one["number"] for one in members] == [0, 1, 2, 3]
    assert f"model.base_url={server.base_url}" in members[0]["overrides"]
    assert all((evalkit.folder / "results" / one["run"] / "report.json").is_file() for one in members)
    assert sorted(path.name for path in evalkit.folder.iterdir()) == [".evalkit", "results"]
    # the suite's table again
    name = suite(evalkit.folder)["suite_id"]
    assert evalkit("table", name).out == ran.out
    assert evalkit("table", f"results/suites/{name}.json").out == ran.out


def test_failing_jobs_do_not_stop_the_others_and_the_worst_code_counts(
    evalkit: Commands, server: FakeOpenAI
) -> None:
    server.settings.faults = FaultPlan.matching("hot", Fault.status(400), always=True)
    words = asking(
        server, "-m", "prompt.system=hot,cold", "dataset.limit=0,2", "resamples=10", "suite=nightly"
    )
    ran = evalkit.process(*words)
    assert ran.code == 5, ran.err
    assert "Traceback" not in ran.err
    assert "2 of 4 jobs failed:" in ran.err
    assert [one["code"] for one in suite(evalkit.folder, "nightly")["members"]] == [2, 5, 2, 0]
    hot, cold = ran.out.splitlines()[1:3]
    assert hot.split()[:4] == ["2", "hot", "-", "-"]  # nothing scored
    assert cold.split()[:2] == ["4", "cold"]


def test_bug_in_one_job_is_shown_and_the_others_are_kept(evalkit: Commands, server: FakeOpenAI) -> None:
    write(
        evalkit.folder / "buggy.py",
        "class Loader:\n    name = 'x'\n\n    def rows(self):\n        raise ZeroDivisionError('oh no')\n",
    )
    write(evalkit.folder / "configs/dataset/buggy.yaml", "# Buggy\n_target_: buggy.Loader\nname: buggy\n")
    ran = evalkit.process("--allow-plugin", "buggy", *asking(server, "-m", "dataset=buggy,sentiment", *SMALL))
    assert ran.code == 70
    assert "ZeroDivisionError: oh no (a bug)" in ran.err
    assert [one["code"] for one in suite(evalkit.folder)["members"]] == [70, 0]
    assert "accuracy" in ran.out


def test_sweep_hides_credentials_in_what_it_says_and_keeps(evalkit: Commands, server: FakeOpenAI) -> None:
    address = server.base_url.replace("://", "://user:pass-word-1@") + "?token=query-secret-2"
    words = ("run", "-m", "model=openai", f'model.base_url="{address}"', "trials=0,1", *SMALL)
    ran = evalkit.process(*words)
    assert ran.code == 2
    for secret in ("pass-word-1", "query-secret-2"):
        assert secret not in ran.out + ran.err
        files = [one for one in evalkit.folder.rglob("*") if one.is_file()]
        assert not [one for one in files if secret.encode() in one.read_bytes()]


def test_sweep_over_results_folders_finds_its_runs_again(evalkit: Commands, server: FakeOpenAI) -> None:
    ran = evalkit.process(*asking(server, "-m", "results_dir=one,two", *SMALL))
    assert ran.code == 0, ran.err
    (path,) = (evalkit.folder / "one" / "suites").iterdir()
    assert evalkit("table", str(path)).out == ran.out
    assert [line.split()[1] for line in ran.out.splitlines()[1:3]] == ["one", "two"]


@pytest.mark.skipif(
    find_spec("hydra_plugins.hydra_joblib_launcher") is None, reason="needs the parallel extra"
)
def test_parallel_launcher_runs_jobs_of_the_users_own_configs(evalkit: Commands, server: FakeOpenAI) -> None:
    write_lines(evalkit.folder / "rows.jsonl", {"text": "a", "label": "positive"})
    text = "# Mine\n_target_: evalkit.datasets.files.JsonLines\npath: rows.jsonl\nname: {}\ntarget: label\n"
    for name in ("mine", "other"):
        write(evalkit.folder / f"configs/dataset/{name}.yaml", text.format(name))
    ran = evalkit.process(*asking(server, "-m", "dataset=mine,other", "hydra/launcher=joblib", *SMALL))
    assert ran.code == 0, ran.err
    assert [one["code"] for one in suite(evalkit.folder)["members"]] == [0, 0]
    assert [line.split()[1] for line in ran.out.splitlines()[1:] if line.startswith("sentiment")] == [
        "mine",
        "other",
    ]


def test_one_run_through_hydras_front_is_like_any_other(evalkit: Commands, server: FakeOpenAI) -> None:
    write(
        evalkit.folder / "more/prompt/special.yaml",
        "# Special\nname: special\ntemplate: 'Special {{ text }}'\n",
    )
    words = asking(server, "-cd", "more", "prompt=special", *SMALL)
    ran = evalkit.process(*words)
    assert ran.code == 0, ran.err
    assert server.requests[0].body["messages"][-1]["content"].startswith("Special ")
    assert ran.err.splitlines()[-1].startswith("report: results/runs/sentiment/")
    assert not (evalkit.folder / "results" / "suites").exists()
    failed = evalkit.process(*words, "trials=0")
    assert (failed.code, failed.err.splitlines()) == (2, ["evalkit: trials=0: must be at least 1"])


def test_composed_settings_are_printed_and_nothing_is_done(evalkit: Commands) -> None:
    ran = evalkit.process("run", "--cfg", "job", "task=qa", "model.params.temperature=0.5")
    assert ran.code == 0, ran.err
    assert "  name: qa\n" in ran.out
    assert "temperature: 0.5" in ran.out
    assert "hydra" not in ran.out
    assert not list(evalkit.folder.iterdir())


@pytest.mark.parametrize(
    "words", [["--info", "searchpath"], ["--info=searchpath"], ["-i", "searchpath", "task=qa"]]
)
def test_search_path_is_shown_with_the_users_folder_first(words: list[str], evalkit: Commands) -> None:
    (evalkit.folder / "configs").mkdir()
    ran = evalkit.process("run", *words)
    assert ran.code == 0, ran.err
    places = [line.split("|")[2].strip() for line in ran.out.splitlines() if "file://" in line]
    assert places[0] == f"file://{evalkit.folder}/configs"
    assert len(places) == 2


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--cfg", "nope"], "invalid choice: 'nope'"),
        (["--cfg"], "expected one argument"),
        (["-m", "--cfg", "job"], "exclude each other"),
        (["--info", "--cfg", "job"], "exclude each other"),
        (["-m", "task=qa,nope"], 'no task "nope"; there are'),
        (["-m", "nope=1,2"], "nope is no setting"),
        (["-m", "prompt.system=a=b"], "does not follow Hydra's grammar"),
        (["-cd", "nowhere"], "nowhere: no such folder of configs"),
        (["--multi"], 'no flag --multi (did you mean "--multirun"?)'),
        (["--config-name", "x"], "no flag --config-name"),
        (["-x"], "no flag -x"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_mistakes_in_flags_are_one_line(words: list[str], says: str, evalkit: Commands) -> None:
    assert says in evalkit("run", *words).error


def test_flags_may_stand_between_settings(evalkit: Commands, server: FakeOpenAI) -> None:
    ran = evalkit.process(*asking(server, *SMALL, "-m", "task=qa,sentiment"))
    assert ran.code == 0, ran.err
    assert len(suite(evalkit.folder)["members"]) == 2
