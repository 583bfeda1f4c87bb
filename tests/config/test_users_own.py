"""The user's ./configs comes first; other Hydra programs see nothing of us."""

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from commands import Commands, asking, write, write_lines
from fake_openai import FakeOpenAI
from plugin_package import make_package

from evalkit import search_path
from evalkit.config.compose import load


def test_users_prompt_task_and_dataset_make_a_run(evalkit: Commands, server: FakeOpenAI) -> None:
    rows = [{"q": f"What is {n} + 1?", "a": str(n + 1)} for n in range(3)]
    write_lines(evalkit.folder / "sums.jsonl", *rows)
    write(
        evalkit.folder / "configs/dataset/sums.yaml",
        "# Sums\n_target_: evalkit.datasets.files.JsonLines\nname: sums\npath: sums.jsonl\n"
        "input: {question: q}\ntarget: a\n",
    )
    write(
        evalkit.folder / "configs/prompt/terse.yaml", "# Terse\nname: terse\ntemplate: 'Q {{ question }}'\n"
    )
    write(
        evalkit.folder / "configs/task/sums.yaml",
        "# @package _global_\n# Sums\ndefaults:\n  - override /dataset: sums\n  - override /prompt: terse\n"
        "  - override /metrics: [exact_match]\ntask:\n  name: sums\n  postprocess: [strip]\n",
    )
    ran = evalkit(*asking(server, "task=sums"))
    assert ran.code == 0, ran.err
    contents = {one.body["messages"][-1]["content"] for one in server.requests}
    assert contents == {f"Q {row['q']}" for row in rows}
    assert {line["target"] for line in evalkit.samples()} == {"1", "2", "3"}
    assert (evalkit.folder / "results/runs/sums").is_dir()


def test_users_file_wins_over_a_shipped_one_of_that_name(evalkit: Commands) -> None:
    write(evalkit.folder / "configs/prompt/qa.yaml", "# Mine\nname: mine\ntemplate: '{{ question }}'\n")
    assert load(["task=qa"]).prompt.name == "mine"
    listed = evalkit("list", "prompts").out
    assert "Mine (configs/prompt/qa.yaml)" in listed
    assert evalkit("list", "prompts", "--json").out.count('"yours": true') == 1


def test_users_choices_are_offered_when_one_is_misspelt(evalkit: Commands) -> None:
    write(evalkit.folder / "configs/prompt/special.yaml", "# Mine\nname: mine\n")
    assert '(did you mean "special"?)' in evalkit("run", "prompt=speciel").error


def test_users_choice_in_a_folder_is_listed_as_it_is_written(evalkit: Commands) -> None:
    write(evalkit.folder / "configs/prompt/team/short.yaml", "# Mine\nname: short\ntemplate: x\n")
    assert load(["prompt=team/short"]).prompt.name == "short"
    assert "  team/short " in evalkit("list", "prompts").out


def test_users_metric_is_chosen_like_a_shipped_one(
    evalkit: Commands, server: FakeOpenAI, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(evalkit.folder))
    make_package(evalkit.folder, "my_metrics")
    write(
        evalkit.folder / "configs/metrics/length.yaml",
        "# Length\nlength:\n  _target_: my_metrics.parts.Length\n  scale: 2\n",
    )
    words = asking(
        server, "metrics=[accuracy,length]", "metrics.length.scale=3", "dataset.limit=2", "resamples=10"
    )
    ran = evalkit("--allow-plugin", "my_metrics", *words)
    assert ran.code == 0, ran.err
    assert set(evalkit.report()["metrics"]) == {"accuracy", "length"}
    assert evalkit.report()["metrics"]["length"]["signature"] == "scale:3"


def test_metric_file_without_its_own_name_is_explained(evalkit: Commands, server: FakeOpenAI) -> None:
    write(
        evalkit.folder / "configs/metrics/flat.yaml", "# Flat\n_target_: evalkit.metrics.accuracy.Accuracy\n"
    )
    assert "nests its own name" in evalkit(*asking(server, "metrics=[flat]")).error


def test_users_primary_changes_the_defaults(evalkit: Commands) -> None:
    text = (search_path.shipped("configs") / "evalkit.yaml").read_text("utf-8")
    write(evalkit.folder / "configs/evalkit.yaml", text.replace("trials: 1 ", "trials: 5 "))
    assert load().trials == 5


def test_folder_of_that_name_without_ours_in_it_does_no_harm(evalkit: Commands) -> None:
    write(evalkit.folder / "configs/config.yaml", "port: 80\n")
    write(evalkit.folder / "configs/notes.txt", "not YAML\n")
    assert load().trials == 1
    assert evalkit("list").code == 0


def test_a_file_named_configs_does_no_harm(evalkit: Commands) -> None:
    write(evalkit.folder / "configs", "a file")
    assert load().trials == 1
    assert evalkit("list").code == 0


def test_shipped_folder_itself_is_not_the_users(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(search_path.shipped("configs").parent)
    assert search_path.user_configs() is None


def test_benchmark_path_is_found_wherever_evalkit_lies(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    found = search_path.data_path("benchmark:sentiment")
    assert found is not None
    assert Path(found).is_file()
    assert search_path.data_path("mine/benchmark.jsonl") == "mine/benchmark.jsonl"
    assert search_path.data_path(None) is None


def test_other_hydra_programs_keep_their_own_search_path(tmp_path: Path) -> None:
    write(tmp_path / "configs/config.yaml", "name: not ours\n")
    write(tmp_path / "conf/config.yaml", "name: theirs\n")
    program = write(
        tmp_path / "program.py",
        textwrap.dedent("""
            import hydra

            @hydra.main(version_base="1.3", config_path="conf", config_name="config")
            def main(config):
                print(config.name)

            main()
        """),
    )
    command = [sys.executable, os.fspath(program), "--info", "searchpath"]
    info = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    assert "evalkit" not in info
    assert os.fspath(tmp_path / "configs") not in info
    command = [sys.executable, os.fspath(program), "hydra.run.dir=.", "hydra.output_subdir=null"]
    out = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    assert out == "theirs\n"
