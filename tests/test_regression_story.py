"""The regression workflow as a user goes through it: run, accept, change the prompt, run, gate, diff."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest
from fake_openai import FakeOpenAI, Fault, FaultPlan, Reply

from evalkit.cli.main import main

LABELS = ("positive", "negative", "neutral")
N = 200
PROMPT = "Text: {{ text }}\nWhat is its sentiment?"
HARMLESS = "Text: {{ text }}\nWhat is the sentiment of this text?"
HARMFUL = "{{ text }} HARM"
PRICED = ("model.prices.input=2.5", "model.prices.output=10")


def answer(body: dict[str, object]) -> Reply:
    """A model that is right on 90% of the samples; a prompt with HARM in it makes it right on 60%."""
    messages = body["messages"]
    assert isinstance(messages, list)
    text = str(messages[-1]["content"])
    found = re.search(r"sample (\d+) is (\w+)", text)
    assert found is not None
    number, label = int(found[1]), found[2]
    wrong = number % 10 < 4 if "HARM" in text else number % 10 == 3
    return Reply(LABELS[(LABELS.index(label) + wrong) % 3])


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-story-0123456789abcdef")
    write_data(tmp_path / "data.jsonl")
    return tmp_path


def write_data(path: Path, n: int = N, shift: int = 0) -> None:
    rows = [
        {"id": f"s{number}", "text": f"sample {number} is {LABELS[(number + shift) % 3]}",
         "label": LABELS[(number + shift) % 3], "part": "ab"[number % 2]}
        for number in range(n)
    ]  # fmt: skip
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")


def evaluate(server: FakeOpenAI, template: str = PROMPT, *more: str, command: str = "run") -> int:
    return main(
        [
            *(command, "task=sentiment", "prompt=sentiment_text", "dataset=jsonl", "dataset.path=data.jsonl"),
            *("dataset.input.text=text", "dataset.target=label", "metrics=[accuracy]"),
            *("model=openai", "model.name=gpt-4o", f"model.base_url={server.base_url}"),
            f"prompt.template='{template}'",
            *more,
        ]
    )


Capture = pytest.CaptureFixture[str]


def test_run_accept_change_run_gate_diff(project: Path, capsys: Capture) -> None:
    with FakeOpenAI(answer) as server:
        assert evaluate(server) == 0
        assert server.count == N
        assert main(["gate"]) == 3  # nothing was accepted yet: never a silent pass
        assert "evalkit accept" in capsys.readouterr().err
        assert main(["accept", "latest", "--reason", "the first prompt"]) == 0

        capsys.readouterr()
        assert evaluate(server, HARMLESS, *PRICED, "--max-usd=0.001", command="plan") == 5
        assert evaluate(server, HARMLESS, *PRICED, "--max-usd=1", command="plan") == 0
        planned = capsys.readouterr().out
        assert f"{N}: 0 in the cache, {N} to send" in planned
        # 90% right, 200 samples, one measurement: (1.645 + 0.842) sqrt(2 x 0.09 / 200) and Student's t.
        assert "loss of accuracy 7.5 points at the most" in planned
        assert server.count == N  # a plan sends nothing

        assert evaluate(server, HARMLESS) == 0  # every request changed, every answer is the same
        assert server.count == 2 * N
        assert (
            evaluate(server, HARMLESS, *PRICED, "--max-usd=0", command="plan") == 0
        )  # it is in the cache now
        assert main(["gate"]) == 0
        capsys.readouterr()

        assert evaluate(server, HARMFUL) == 0
        assert server.count == 3 * N
        assert main(["gate"]) == 1
        found = capsys.readouterr().out
        assert "REGRESSED" in found
        assert "90.0" in found
        assert "60.0" in found
        assert "-30.0" in found
        # 3 in 10 of 200 samples broke: numbers 0, 1 and 2 of every ten.
        assert "60 broken" in found

        assert main(["compare", "main"]) == 0  # informs, whatever the verdict
        assert main(["compare", "main", "--json"]) == 0
        assert "REGRESSED" in capsys.readouterr().out

    first = min((project / "results" / "runs" / "sentiment").iterdir()).name
    assert main(["diff", first, "latest", "--flips", "--limit", "3"]) == 0
    shown = capsys.readouterr().out
    assert "+{{ text }} HARM" in shown
    assert "60 samples differ, 3 shown" in shown


def test_only_samples_whose_rendered_prompt_changed_are_asked(project: Path, capsys: Capture) -> None:
    with FakeOpenAI(answer) as server:
        assert evaluate(server) == 0
        changed = PROMPT + '{% if "1" in text %} Think.{% endif %}'
        expected = sum("1" in str(number) for number in range(N))
        assert evaluate(server, changed) == 0
        assert server.count == N + expected
        assert f"{expected} requests to send" in capsys.readouterr().err


def test_unchanged_run_passes_without_asking(project: Path) -> None:
    with FakeOpenAI(answer) as server:
        assert evaluate(server) == 0
        assert main(["accept", "latest", "--reason", "start"]) == 0
        before = baseline_bytes(project)
        assert evaluate(server) == 0
        assert server.count == N
        assert main(["gate", "gate=noninferior"]) == 0
        assert main(["accept", "latest", "--reason", "again"]) == 0
        assert baseline_bytes(project) == before


def baseline_bytes(project: Path) -> dict[str, bytes]:
    root = project / "results" / "baselines"
    return {
        str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()
    }


def test_baseline_keeps_latency_and_cost_as_histograms(project: Path, capsys: Capture) -> None:
    with FakeOpenAI(answer) as server:
        assert evaluate(server, PROMPT, *PRICED) == 0
        assert main(["accept", "latest", "--reason", "start"]) == 0
        assert evaluate(server, HARMLESS, *PRICED) == 0
    text = (project / "results" / "baselines" / "main" / "sentiment-data" / "measurements.json").read_text()
    measured = json.loads(text)
    assert sum(measured["latency"].values()) == N
    assert sum(measured["cost"].values()) == N
    total = sum(float(edge) * count for edge, count in measured["cost"].items())
    assert measured["cost_usd"] <= total <= 1.35 * measured["cost_usd"]  # upper edges of bins 26% wide
    capsys.readouterr()
    assert main(["compare", "main"]) == 0
    shown = capsys.readouterr().out
    assert re.search(r"median latency \d+\.\d\d s to \d+\.\d\d s", shown)
    assert "cost 0.0" in shown


def test_baseline_holds_no_text(project: Path) -> None:
    with FakeOpenAI(answer) as server:
        assert evaluate(server) == 0
    assert main(["accept", "latest", "--reason", "start"]) == 0
    everything = b"".join(baseline_bytes(project).values())
    assert b"sample 17" not in everything
    assert b"What is its" not in everything


def test_shifted_dataset_is_not_comparable(project: Path, capsys: Capture) -> None:
    with FakeOpenAI(answer) as server:
        assert evaluate(server) == 0
        assert main(["accept", "latest", "--reason", "start"]) == 0
        write_data(project / "data.jsonl", shift=1)
        assert evaluate(server) == 0
        assert main(["gate"]) == 4
    assert "NOT COMPARABLE" in capsys.readouterr().out


def test_missing_samples_are_refused_and_compared_when_asked(project: Path, capsys: Capture) -> None:
    with FakeOpenAI(answer) as server:
        assert evaluate(server) == 0
        assert main(["accept", "latest", "--reason", "start"]) == 0
        assert evaluate(server, PROMPT, "dataset.limit=150") == 0
    assert main(["compare", "main"]) == 4
    assert "50 samples missing from the candidate" in capsys.readouterr().out
    assert main(["gate", "gate.intersect=true"]) == 0
    assert "compared on the 150 samples that match" in capsys.readouterr().out


def test_too_few_samples_are_inconclusive_and_the_policy_decides(project: Path, capsys: Capture) -> None:
    with FakeOpenAI(answer) as server:
        assert evaluate(server, PROMPT, "dataset.limit=10") == 0
        assert main(["accept", "latest", "--reason", "start"]) == 0
        assert evaluate(server, HARMLESS, "dataset.limit=10") == 0
    assert main(["gate"]) == 0
    assert "INCONCLUSIVE" in capsys.readouterr().out
    assert main(["gate", "gate=noninferior"]) == 6
    assert main(["gate", "gate.on_inconclusive=fail"]) == 6
    assert main(["gate", "gate=improve"]) == 6


def test_failing_server_never_passes(project: Path, capsys: Capture) -> None:
    with FakeOpenAI(answer) as server:
        assert evaluate(server) == 0
        assert main(["accept", "latest", "--reason", "start"]) == 0
        server.settings.faults = FaultPlan.matching("7 is", Fault.status(400, code="odd"), always=True)
        assert evaluate(server, HARMLESS) == 5
        assert "requests failed" in capsys.readouterr().err
    assert main(["gate"]) == 5  # the failed samples could hide a regression
    assert "INVALID" in capsys.readouterr().out
    assert main(["accept", "latest", "--reason", "no"]) == 2
    assert "--allow-failures" in capsys.readouterr().err


def test_critical_sample_blocks_after_it_was_asked_again(project: Path, capsys: Capture) -> None:
    rows = [json.loads(line) for line in (project / "data.jsonl").read_text().splitlines()]
    for row in rows:
        row["critical"] = row["id"] == "s5"
    (project / "data.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))

    def one_wrong(body: dict[str, object]) -> Reply:
        right = answer(body)
        hurt = "sample 5 is" in json.dumps(body) and "this text" in json.dumps(body)
        return Reply("positive" if right.text != "positive" else "negative") if hurt else right

    with FakeOpenAI(one_wrong) as server:
        assert evaluate(server) == 0
        assert main(["accept", "latest", "--reason", "start"]) == 0
        assert evaluate(server, HARMLESS) == 0
        asked = server.count
        assert main(["gate"]) == 0
        assert main(["gate", "gate.critical=critical"]) == 1
        assert server.count == asked + 3
    assert "critical sample s5 is wrong in 4 of 4 answers" in capsys.readouterr().out


def test_baseline_at_a_commit_and_at_the_merge_base(project: Path, capsys: Capture) -> None:
    def git(*words: str) -> None:
        identity = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
        subprocess.run(["git", *identity, *words], cwd=project, check=True, capture_output=True)

    git("init", "-q", "-b", "main")
    with FakeOpenAI(answer) as server:
        assert evaluate(server) == 0
        assert main(["accept", "latest", "--reason", "start", "--allow-dirty"]) == 0
        git("add", "results/baselines")
        git("commit", "-q", "-m", "baseline")
        git("checkout", "-q", "-b", "change")
        assert evaluate(server, HARMFUL) == 0
        assert main(["accept", "latest", "--reason", "sneaky", "--allow-dirty"]) == 0
        git("add", "results/baselines")
        git("commit", "-q", "-m", "worse")
    assert main(["gate"]) == 0  # the branch's own baseline hides it …
    assert main(["gate", "--baseline", "merge-base"]) == 1  # … the merge base's does not
    assert main(["gate", "--baseline", "git:main"]) == 1
    assert main(["gate", "--baseline", "git:nowhere"]) == 2
    assert "nowhere" in capsys.readouterr().err


def test_recorded_trials_tell_the_false_alarm_rate(project: Path, capsys: Capture) -> None:
    def noisy(body: dict[str, object]) -> Reply:
        seed = body["seed"]
        assert isinstance(seed, int)
        label = answer(body).text
        messages = body["messages"]
        assert isinstance(messages, list)
        number = int(re.search(r"sample (\d+)", str(messages[-1]["content"]))[1])  # type: ignore[index]
        return Reply(LABELS[(LABELS.index(label) + ((number * 7 + seed * 13) % 10 < 2)) % 3])

    with FakeOpenAI(noisy) as server:
        assert evaluate(server, PROMPT, "trials=4", "model.params.seed=1") == 0
        assert server.count == 4 * N
    assert main(["accept", "latest", "--reason", "start"]) == 0
    assert main(["selfcheck", "latest", "--rounds", "200"]) == 0
    shown = capsys.readouterr().out
    found = re.search(r"reported a regression in (\d+) of 200 rounds", shown)
    assert found is not None
    assert int(found[1]) <= 20  # nominal 5%: 10 expected, 20 has probability 0.003
    assert main(["gate"]) == 0
    assert "reported a regression in" in capsys.readouterr().out


def test_sweep_over_models_compares_each_run_with_the_one_baseline(project: Path, capsys: Capture) -> None:
    with FakeOpenAI(answer) as server:
        assert evaluate(server) == 0
        assert main(["accept", "latest", "--reason", "start"]) == 0
        words = ["gpt-4o", "gpt-4.1"]
        for name in words:
            assert evaluate(server, HARMFUL, f"model.name={name}", "dataset.group=part") == 0
    found = (project / "results" / "runs" / "sentiment").iterdir()
    runs = [run for run in found if "HARM" in (run / "report.json").read_text()]
    members: list[dict[str, object]] = [
        {"number": place, "overrides": [], "run": f"runs/sentiment/{run.name}", "error": None, "code": 0}
        for place, run in enumerate(runs)
    ]
    suite = {"schema_version": 1, "suite_id": "both", "name": "both", "members": members}
    (project / "results" / "suites").mkdir(exist_ok=True)
    (project / "results" / "suites" / "both.json").write_text(json.dumps(suite))
    assert main(["gate", "both"]) == 1
    shown = capsys.readouterr().out
    assert shown.count("REGRESSED, worse") == 2
    assert all(run.name in shown for run in runs)


def test_metric_with_other_options_is_scored_again_where_outputs_are_at_hand(
    project: Path, capsys: Capture
) -> None:
    def shouting(body: dict[str, object]) -> Reply:
        found = answer(body).text
        return Reply(found.upper() if isinstance(found, str) else "")

    plain = ["task.postprocess=[strip]", "metrics.accuracy.ignore_case=false"]
    folded = ["task.postprocess=[strip]", "metrics.accuracy.ignore_case=true"]
    with FakeOpenAI(shouting) as server:
        assert evaluate(server, PROMPT, *plain) == 0
        assert main(["accept", "latest", "--reason", "start"]) == 0
        assert evaluate(server, PROMPT, *folded) == 0
        first = min((project / "results" / "runs" / "sentiment").iterdir()).name
        capsys.readouterr()
        # From the run's folder, and for a baseline from the cache: both sides are read with case folded.
        for base in (first, "main"):
            assert main(["compare", base]) == 0
            shown = capsys.readouterr().out
            assert "it was scored again as the candidate's" in shown
            assert re.search(r"accuracy +90\.0 +90\.0", shown)
        (project / ".evalkit" / "cache.sqlite").rename(project / "elsewhere.sqlite")
        assert main(["compare", "main"]) == 4
        assert "outputs are not at hand" in capsys.readouterr().out


def test_shallow_clone_says_how_deep_to_fetch(
    project: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def git(*words: str, where: Path = project) -> None:
        identity = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
        subprocess.run(["git", *identity, *words], cwd=where, check=True, capture_output=True)

    git("init", "-q", "-b", "main")
    (project / "README").write_text("one")
    git("add", "README")
    git("commit", "-q", "-m", "one")
    git("checkout", "-q", "-b", "change")
    for text in ("two", "three"):
        (project / "README").write_text(text)
        git("commit", "-q", "-a", "-m", text)
    git("checkout", "-q", "main")  # a clone's origin/HEAD is what the source has checked out
    git("clone", "-q", "--depth", "1", "--no-single-branch", f"file://{project}", "shallow")
    git("checkout", "-q", "change", where=project / "shallow")
    monkeypatch.chdir(project / "shallow")
    with FakeOpenAI(answer) as server:
        write_data(project / "shallow" / "data.jsonl", 10)
        assert evaluate(server) == 0
    assert main(["gate", "--baseline", "merge-base"]) == 2
    assert "git fetch --unshallow" in capsys.readouterr().err
