"""The GitHub workflows that `evalkit init --ci github` writes: valid, allowed little, and run here."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from commands import Commands, write
from fake_github import FakeGitHub
from fake_openai import FakeOpenAI, Reply
from github_steps import EXPRESSION, Runner, environment

FOLDER = Path(".github/workflows")
MAIN, COMMENT = "evalkit.yml", "evalkit-comment.yml"
OFFICIAL = re.compile(r"actions/[a-z-]+(/[a-z]+)?@v\d+")
TEAMS = ("billing", "delivery", "account", "defect")


@pytest.fixture
def workflows(evalkit: Commands) -> dict[str, Any]:
    assert evalkit("init", "--ci", "github").code == 0
    return {name: yaml.safe_load((FOLDER / name).read_text("utf-8")) for name in (MAIN, COMMENT)}


def jobs(workflows: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for workflow in workflows.values():
        yield from workflow["jobs"].values()


def steps(workflows: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for job in jobs(workflows):
        yield from job["steps"]


def test_only_official_actions_by_major_version(workflows: dict[str, Any]) -> None:
    used = [step["uses"] for step in steps(workflows) if "uses" in step]
    assert len(used) == 7
    assert all(OFFICIAL.fullmatch(one) for one in used), used


def test_no_expression_reaches_a_script(workflows: dict[str, Any]) -> None:
    scripts = [step["run"] for step in steps(workflows) if "run" in step]
    assert len(scripts) == 6
    assert not [script for script in scripts if EXPRESSION.search(script)]


def test_permissions_are_the_least(workflows: dict[str, Any]) -> None:
    assert workflows[MAIN]["permissions"] == {"contents": "read"}
    assert all("permissions" not in job for job in workflows[MAIN]["jobs"].values())
    assert workflows[COMMENT]["permissions"] == {}
    (job,) = workflows[COMMENT]["jobs"].values()
    assert job["permissions"] == {"actions": "read", "pull-requests": "write"}


def test_secrets_are_only_where_a_model_is_asked(workflows: dict[str, Any]) -> None:
    with_secrets = [step["name"] for step in steps(workflows) if "secrets." in json.dumps(step)]
    assert with_secrets == ["Evaluate"]
    assert "secrets." not in json.dumps([{**job, "steps": []} for job in jobs(workflows)])


def test_what_may_write_runs_no_code_of_the_pull_request(workflows: dict[str, Any]) -> None:
    assert True in workflows[MAIN]  # YAML reads `on` as true
    assert set(workflows[MAIN][True]) == {"pull_request", "push", "workflow_dispatch"}
    assert set(workflows[COMMENT][True]) == {"workflow_run"}
    assert workflows[COMMENT][True]["workflow_run"]["workflows"] == [workflows[MAIN]["name"]]
    assert not [step for step in steps({COMMENT: workflows[COMMENT]}) if "checkout" in step.get("uses", "")]


def test_steps_and_jobs_are_well_formed(workflows: dict[str, Any]) -> None:
    known = {"name", "id", "if", "uses", "with", "run", "env", "shell", "continue-on-error"}
    for job in jobs(workflows):
        assert job["runs-on"] == "ubuntu-latest"
        assert job["timeout-minutes"] <= 60
    for step in steps(workflows):
        assert set(step) <= known
        assert ("uses" in step) != ("run" in step)
    ids = {step["id"] for step in steps(workflows) if "id" in step}
    text = json.dumps(workflows)
    assert set(re.findall(r"steps\.(\w+)\.", text)) <= ids


def test_actionlint_finds_nothing(workflows: dict[str, Any]) -> None:
    actionlint = shutil.which("actionlint")
    if actionlint is None:
        pytest.skip("actionlint is not installed")
    done = subprocess.run(
        [actionlint, *(FOLDER / name for name in workflows)],
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout


def git(*words: str) -> str:
    who = ("-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "init.defaultBranch=main")
    return subprocess.run(["git", *who, *words], check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def server() -> Iterator[FakeOpenAI]:
    """Answers every ticket with a team that its text decides; three of four are right."""
    with FakeOpenAI(answer=answer) as running:
        yield running


def answer(request: Any) -> Reply | str:
    text = json.dumps(request, default=str)
    rows = [json.loads(line) for line in Path("data/tickets.jsonl").read_text("utf-8").splitlines()]
    for place, row in enumerate(rows):
        if row["message"] in text:
            right = "Be short" not in text and place % 4 != 0
            return str(row["team"]) if right else TEAMS[(TEAMS.index(row["team"]) + 1) % 4]
    return "?"


@pytest.fixture
def project(evalkit: Commands, server: FakeOpenAI) -> Commands:
    """A repository whose tickets are answered by the fake API; its main branch has no baseline yet."""
    assert evalkit("init", "--ci", "github").code == 0
    write(
        Path("configs/model/ours.yaml"),
        "_target_: evalkit.client.api.ApiModel\nname: gpt-4o\n"
        f"base_url: {server.base_url}\nparams: {{temperature: 0.0, max_tokens: 5}}\n"
        "prices: {input: 2.5, output: 10}\n",
    )
    primary = Path("configs/evalkit.yaml")
    primary.write_text(primary.read_text("utf-8").replace("model: recorded_tickets", "model: ours"))
    Path(".gitignore").write_text(Path(".gitignore").read_text("utf-8") + "ci/\n")
    git("init", "-q", "-b", "main")
    git("add", ".")
    git("commit", "-qm", "first")
    return evalkit


def accept(project: Commands, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test-of-the-workflow")
    assert project("run").code == 0
    assert project("accept", "latest", "--reason", "first").code == 0
    git("add", ".")
    git("commit", "-qm", "baseline")
    monkeypatch.delenv("OPENAI_API_KEY")


def evaluated(
    folder: Path, *, fork: bool = False, event: str = "pull_request", actor: str = "somebody"
) -> Runner:
    """Run the first workflow's scripts, as far as its conditions let them."""
    workflow = yaml.safe_load((FOLDER / MAIN).read_text("utf-8"))
    (job,) = workflow["jobs"].values()
    base = {"GITHUB_BASE_REF": "main"} if event == "pull_request" else {}
    runner = Runner(
        Path.cwd(),
        environment(GITHUB_EVENT_NAME=event, GITHUB_ACTOR=actor, **base),
        {
            "github.event.pull_request.head.repo.full_name": ""
            if event != "pull_request"
            else ("other/project" if fork else "our/project"),
            "secrets.OPENAI_API_KEY": "" if fork else "sk-test-of-the-workflow",
        },
        folder / "runner",
    )
    for step in job["steps"]:
        if "run" not in step or step["name"] == "Install":
            continue
        if "steps.evaluate.outcome == 'success'" in step.get("if", "") and runner.outcomes.get("Evaluate"):
            continue
        runner.run(step, job)
    return runner


def test_an_unchanged_pull_request_passes(
    project: Commands, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    accept(project, monkeypatch)
    git("checkout", "-qb", "change")
    runner = evaluated(tmp_path_factory.mktemp("a"))
    assert set(runner.outcomes.values()) == {0}, runner.logs
    assert runner.expressions["steps.mode.outputs.mode"] == "rw"
    assert "accuracy" in runner.summary
    assert runner.summary.count("gate: PASSED (exit 0)") == 1
    assert "gate: PASSED (exit 0)" in Path("ci/comment.md").read_text("utf-8")
    assert "<testsuites" in Path("ci/evalkit-junit.xml").read_text("utf-8")
    assert list(Path("results/runs").glob("tickets/*/report.html"))


def test_a_worse_prompt_fails_the_gate_and_is_reported(
    project: Commands, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    accept(project, monkeypatch)
    git("checkout", "-qb", "change")
    prompt = Path("configs/prompt/tickets.yaml")
    prompt.write_text(prompt.read_text("utf-8").replace("Answer with one word", "Be short. One word"))
    git("commit", "-qam", "shorter")
    runner = evaluated(tmp_path_factory.mktemp("a"))
    assert runner.outcomes == {
        "Choose how the cache is used": 0, "Evaluate": 0, "Gate": 1, "Report": 0,
    }, runner.logs  # fmt: skip
    assert "REGRESSED" in runner.summary
    assert "::error" in runner.logs["Gate"]
    assert "<failure" in Path("ci/evalkit-junit.xml").read_text("utf-8")


def test_a_fork_is_answered_from_the_cache_without_a_key(
    project: Commands, server: FakeOpenAI, monkeypatch: pytest.MonkeyPatch,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:  # fmt: skip
    accept(project, monkeypatch)
    git("checkout", "-qb", "change")
    asked = server.count
    runner = evaluated(tmp_path_factory.mktemp("a"), fork=True)
    assert set(runner.outcomes.values()) == {0}, runner.logs
    assert runner.expressions["steps.mode.outputs.mode"] == "replay"
    prompt = Path("configs/prompt/tickets.yaml")
    prompt.write_text(prompt.read_text("utf-8").replace("Answer with one word", "One word"))
    runner = evaluated(tmp_path_factory.mktemp("b"), fork=True)
    assert runner.outcomes == {"Choose how the cache is used": 0, "Evaluate": 5}
    assert "**evalkit run** ended with exit code 5" in runner.summary
    assert "20 of the answers are not in the cache" in Path("ci/comment.md").read_text("utf-8")
    assert server.count == asked


def test_dependabot_gets_no_secrets_and_is_answered_from_the_cache(
    project: Commands, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    accept(project, monkeypatch)
    runner = evaluated(tmp_path_factory.mktemp("a"), actor="dependabot[bot]")
    assert runner.expressions["steps.mode.outputs.mode"] == "replay"
    assert set(runner.outcomes.values()) == {0}, runner.logs


def test_nothing_is_installed_that_nobody_named(workflows: dict[str, Any], tmp_path: Path) -> None:
    """The index has another project of this name: its code must not run beside the key."""
    (job,) = workflows[MAIN]["jobs"].values()
    (step,) = [one for one in job["steps"] if one.get("name") == "Install"]
    assert not re.match(r"evalkit\b(?! @ )", job["env"]["EVALKIT"])
    runner = Runner(tmp_path, environment(), {}, tmp_path / "runner")
    assert runner.run(step, {"env": {"EVALKIT": ""}}) == 2
    assert "at EVALKIT, what pip shall install" in runner.logs["Install"]


def test_the_budget_is_kept(
    project: Commands, server: FakeOpenAI, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = FOLDER / MAIN
    path.write_text(path.read_text("utf-8").replace('BUDGET_USD: "2"', 'BUDGET_USD: "0.0005"'))
    runner = evaluated(tmp_path_factory.mktemp("a"))
    assert runner.outcomes["Evaluate"] == 5, runner.logs
    assert 0 < server.count < 20
    assert "budget.usd=0.0005" in runner.summary


def test_a_merge_base_without_baseline_is_said_aloud(
    project: Commands, tmp_path_factory: pytest.TempPathFactory
) -> None:
    runner = evaluated(tmp_path_factory.mktemp("a"))
    assert runner.outcomes["Gate"] == 0
    assert "::warning title=evalkit::the merge base has no baseline" in runner.logs["Gate"]
    assert "**evalkit gate** ended with exit code 3" in runner.summary
    assert "<testsuites" in Path("ci/evalkit-junit.xml").read_text("utf-8")
    path = FOLDER / MAIN
    path.write_text(path.read_text("utf-8").replace("NO_BASELINE: warn", "NO_BASELINE: fail"))
    assert evaluated(tmp_path_factory.mktemp("b")).outcomes["Gate"] == 3


def test_a_push_is_gated_against_the_committed_baseline(
    project: Commands, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    accept(project, monkeypatch)
    runner = evaluated(tmp_path_factory.mktemp("a"), event="push")
    assert set(runner.outcomes.values()) == {0}, runner.logs
    assert runner.expressions["steps.mode.outputs.mode"] == "rw"


@pytest.fixture
def github() -> Iterator[FakeGitHub]:
    with FakeGitHub() as running:
        running.pulls["other:topic/1"] = [
            {"number": 6, "head": {"sha": "0" * 40}},
            {"number": 7, "head": {"sha": "a" * 40}},
        ]
        yield running


def commented(folder: Path, github: FakeGitHub, text: str | None, **changes: str) -> Runner:
    workflow = yaml.safe_load((FOLDER / COMMENT).read_text("utf-8"))
    (job,) = workflow["jobs"].values()
    (step,) = [one for one in job["steps"] if "run" in one]
    if text is not None:
        write(folder / "evalkit" / "comment.md", text)
    event = "github.event.workflow_run"
    values = {
        "github.token": "token-of-the-job",
        f"{event}.head_repository.owner.login": "other",
        f"{event}.head_repository.full_name": "other/project",
        f"{event}.head_branch": "topic/1",
        f"{event}.head_sha": "a" * 40,
        f"{event}.html_url": "https://github.com/our/project/actions/runs/1",
        "runner.temp": str(folder),
    }
    runner = Runner(folder, environment(GITHUB_API_URL=github.url), values | changes, folder / "runner")
    runner.run(step, job)
    return runner


def test_one_comment_is_written_and_then_kept_up_to_date(
    workflows: dict[str, Any], github: FakeGitHub, tmp_path: Path
) -> None:
    planted = "<!-- evalkit -->\nby somebody else"
    github.comment(7, "stranger", planted)
    for _ in range(100):
        github.comment(7, "reviewer", "a remark")
    runner = commented(tmp_path, github, "accuracy 80.0, says @everyone")
    assert runner.outcomes == {"Write the comment": 0}, runner.logs
    bodies = [one["body"] for one in github.comments[7]]
    assert bodies[0] == planted
    assert len(bodies) == 102
    assert bodies[-1].startswith("<!-- evalkit -->\naccuracy 80.0, says @\u200beveryone\n")
    assert (
        "Commit aaaaaaaaaaaa, [run and report](https://github.com/our/project/actions/runs/1)" in bodies[-1]
    )
    assert "from a fork: made by its own code" in bodies[-1]
    assert commented(tmp_path, github, "accuracy 70.0").outcomes == {"Write the comment": 0}
    assert len(github.comments[7]) == 102
    assert "accuracy 70.0" in github.comments[7][-1]["body"]
    assert 6 not in github.comments
    assert github.tokens == {"Bearer token-of-the-job"}


def test_a_commit_that_is_no_head_any_more_gets_no_comment(
    workflows: dict[str, Any], github: FakeGitHub, tmp_path: Path
) -> None:
    runner = commented(tmp_path, github, "x", **{"github.event.workflow_run.head_sha": "b" * 40})
    assert runner.outcomes == {"Write the comment": 0}
    assert "nothing to write" in runner.logs["Write the comment"]
    assert {method for method, _ in github.requests} == {"GET"}


@pytest.mark.parametrize("branch", ['a"; touch pwned; "', "$(touch pwned)", "a&head=our:main", "ü/🦊"])
def test_a_branch_name_is_only_a_name(
    workflows: dict[str, Any], github: FakeGitHub, tmp_path: Path, branch: str
) -> None:
    github.pulls[f"other:{branch}"] = [{"number": 9, "head": {"sha": "a" * 40}}]
    runner = commented(tmp_path, github, "x", **{"github.event.workflow_run.head_branch": branch})
    assert runner.outcomes == {"Write the comment": 0}, runner.logs
    assert set(github.comments) == {9}
    assert not list(tmp_path.rglob("pwned"))


def test_a_run_that_left_no_comment_writes_none(
    workflows: dict[str, Any], github: FakeGitHub, tmp_path: Path
) -> None:
    secret = write(tmp_path / "secret", "what only this machine knows")
    runner = commented(tmp_path, github, None)
    (tmp_path / "evalkit").mkdir()
    (tmp_path / "evalkit" / "comment.md").symlink_to(secret)
    linked = commented(tmp_path, github, None)
    for one in (runner, linked):
        assert one.outcomes == {"Write the comment": 0}, one.logs
        assert "the run left no comment" in one.logs["Write the comment"]
    assert not github.comments


def test_a_long_comment_is_cut_at_a_line(
    workflows: dict[str, Any], github: FakeGitHub, tmp_path: Path
) -> None:
    assert commented(tmp_path, github, "a line of text\n" * 10_000).outcomes == {"Write the comment": 0}
    body = github.comments[7][-1]["body"]
    assert len(body) < 65_536
    assert "a line of text\n\nThe rest is in the run." in body
