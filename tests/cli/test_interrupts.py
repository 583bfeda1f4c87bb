"""Ctrl-C and termination of `evalkit run`, and runs that an error of the server ends half-way."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from commands import Commands, asking
from fake_openai import FakeOpenAI, Fault
from faulty_runs import SETTINGS, samples

from evalkit import run
from evalkit.cache.verification import verify
from evalkit.errors import RunStopped

N, ANSWERED, CONCURRENCY = 30, 10, 4
# A shell's background job, as CI may be one, is started with SIGINT ignored.
FRONT = """
import signal, sys
signal.signal(signal.SIGINT, signal.{handler})
from evalkit.cli.main import main
sys.exit(main())
"""
Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def start(evalkit: Commands, server: FakeOpenAI) -> Iterator[Start]:
    """Starts a run on N questions of which the first ten are answered, and the next four wait for `gate`."""
    samples(f"s{number}" for number in range(N))
    started: list[subprocess.Popen[str]] = []

    def begin(*words: str, handler: str = "default_int_handler") -> subprocess.Popen[str]:
        command = asking(server, *SETTINGS, f"executor.concurrency={CONCURRENCY}", "model.timeout=60", *words)
        process = subprocess.Popen(
            [sys.executable, "-W", "error", "-c", FRONT.format(handler=handler), *command],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=evalkit.folder,
        )  # fmt: skip
        started.append(process)
        return process

    yield begin
    for process in started:
        process.kill()
        process.communicate()


def slow(server: FakeOpenAI, seconds: float) -> None:
    """The first ten requests are answered at once, the next after so many seconds."""
    server.settings.latency = lambda index: 0.0 if index < ANSWERED else seconds


def in_flight(server: FakeOpenAI) -> None:
    server.wait(received=ANSWERED + CONCURRENCY, in_flight=CONCURRENCY, timeout=30)


def heard(process: subprocess.Popen[str]) -> str:
    """Wait until the process says that it was interrupted."""
    assert process.stderr is not None
    return next(line for line in process.stderr if "in flight have" in line)


def failures(evalkit: Commands) -> Counter[tuple[str, int]]:
    found = [one["failure"] for one in evalkit.samples() if "failure" in one]
    return Counter((one["kind"], one["attempts"]) for one in found)


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_first_signal_waits_for_what_is_in_flight_and_writes_a_report(
    how: signal.Signals, start: Start, server: FakeOpenAI, evalkit: Commands
) -> None:
    slow(server, 1.0)
    process = start()
    in_flight(server)
    process.send_signal(how)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 130, err
    assert "Traceback" not in err
    assert "interrupt again to leave at once" in err
    assert "the same command goes on from there" in err
    assert "exact_match" in out

    report = evalkit.report()
    done = ANSWERED + CONCURRENCY
    assert (report["status"], report["counts"]["answered"]) == ("interrupted", done)
    assert report["failures"] == {"interrupted": N - done}
    assert failures(evalkit) == {("interrupted", 0): N - done}
    assert report["metrics"]["exact_match"]["n"] == done
    first = (evalkit.last_run() / "report.md").read_text("utf-8").splitlines()[2]
    assert first.startswith(f"**The run was interrupted: {N - done} of {N} requests")
    assert evalkit("verify", "latest").code == 0
    assert "the run was interrupted" in evalkit("show", "latest").out

    server.reset()
    server.settings.latency = 0.0
    again = evalkit(*asking(server, *SETTINGS))
    assert (again.code, server.count, evalkit.report()["status"]) == (0, N - done, "complete")


def test_what_is_not_answered_in_time_is_given_up_and_asked_again(
    start: Start, server: FakeOpenAI, evalkit: Commands
) -> None:
    slow(server, 3600.0)
    process = start("executor.grace=0.2")
    in_flight(server)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 130, err
    assert failures(evalkit) == {
        ("interrupted", 1): CONCURRENCY,
        ("interrupted", 0): N - ANSWERED - CONCURRENCY,
    }
    server.reset()
    server.settings.latency = 0.0
    assert evalkit(*asking(server, *SETTINGS)).code == 0
    assert server.count == N - ANSWERED


def test_second_signal_leaves_at_once_and_loses_nothing_committed(
    start: Start, server: FakeOpenAI, evalkit: Commands
) -> None:
    slow(server, 3600.0)
    process = start("executor.grace=3600")
    in_flight(server)
    process.send_signal(signal.SIGINT)
    heard(process)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 130, err
    assert err.splitlines()[-1] == "evalkit: interrupted"
    assert "Traceback" not in err
    assert not list(Path("results").rglob("report.json"))
    found = verify(Path(".evalkit/cache.sqlite"), lambda _: None)
    assert found.clean
    server.reset()
    server.settings.latency = 0.0
    assert evalkit(*asking(server, *SETTINGS)).code == 0
    assert server.count == N - ANSWERED


def test_run_that_nothing_was_answered_leaves_no_report(
    start: Start, server: FakeOpenAI, evalkit: Commands
) -> None:
    """`latest` would be an empty one."""
    server.settings.latency = 3600.0
    process = start("executor.grace=0")
    server.wait(in_flight=CONCURRENCY, timeout=30)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 130, err
    assert err.splitlines()[-1] == "evalkit: interrupted"
    assert not list(Path("results").rglob("report.json"))


def test_ignored_interrupt_stays_ignored(start: Start, server: FakeOpenAI, evalkit: Commands) -> None:
    """As `nohup evalkit run &` wants it."""
    with server.hold():
        process = start(handler="SIG_IGN")
        server.wait(in_flight=CONCURRENCY, timeout=30)
        process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 0, err
    assert evalkit.report()["status"] == "complete"


def test_sweep_stops_after_the_interrupted_job_and_shows_what_there_is(
    start: Start, server: FakeOpenAI, evalkit: Commands
) -> None:
    server.settings.latency = lambda index: 0.0 if index < N + ANSWERED else 1.0
    process = start("-m", "model.params.temperature=0,0.5,1")
    server.wait(received=N + ANSWERED + CONCURRENCY, in_flight=CONCURRENCY, timeout=30)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 130, err
    assert "Traceback" not in err
    assert server.count == N + ANSWERED + CONCURRENCY
    [path] = Path("results/suites").iterdir()
    members = json.loads(path.read_text("utf-8"))["members"]
    assert [one["code"] for one in members] == [0, 130]
    rows = [line.split() for line in out.splitlines()[1:3]]
    assert [row[:2] for row in rows] == [["1", "0"], ["2", "0.5"]]
    assert err.splitlines()[-1] == "evalkit: interrupted"


def test_interrupted_run_is_no_baseline_and_passes_no_gate(
    start: Start, server: FakeOpenAI, evalkit: Commands
) -> None:
    server.settings.answer = "yes"
    assert evalkit(*asking(server, *SETTINGS, "cache=off")).code == 0
    whole = evalkit.last_run().name
    assert evalkit("accept", whole, "--reason", "first", "--allow-dirty").code == 0
    server.reset()
    slow(server, 1.0)
    process = start("cache=off", "executor.grace=0")
    in_flight(server)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 130, err
    part = evalkit.last_run().name
    refused = evalkit("accept", part, "--reason", "half").error
    assert "the run was interrupted: 20 of 30" in refused
    assert evalkit("gate", part).code not in {0, 1}
    assert evalkit("gate", whole).code == 0


def quota_after(n: int) -> Callable[[int, int], Fault | None]:
    return lambda index, _: Fault.insufficient_quota() if index >= n else None


def test_error_half_way_leaves_a_report_of_what_was_paid_for(server: FakeOpenAI, evalkit: Commands) -> None:
    samples(f"s{number}" for number in range(N))
    server.settings.faults = quota_after(ANSWERED)
    ran = evalkit(*asking(server, *SETTINGS, "executor.concurrency=1"))
    assert ran.code == 5
    assert sum("the run stopped at sample s10: quota" in line for line in ran.err.splitlines()) == 1
    assert "the same command goes on from there" in ran.err
    report = evalkit.report()
    assert (report["status"], report["counts"]["answered"]) == ("stopped", ANSWERED)
    assert failures(evalkit) == {("stopped", 1): 1, ("stopped", 0): N - ANSWERED - 1}
    assert evalkit("verify", "latest").code == 0
    assert "an error of the server ended the run" in evalkit("accept", "latest", "--reason", "half").error

    # Nothing new is answered: no further report.
    kept = evalkit.last_run()
    server.settings.faults = quota_after(0)
    assert evalkit(*asking(server, *SETTINGS)).code == 5
    assert evalkit.last_run() == kept


def test_stopped_job_of_a_sweep_keeps_its_report_and_its_error(server: FakeOpenAI, evalkit: Commands) -> None:
    samples(f"s{number}" for number in range(N))
    server.settings.faults = lambda index, _: Fault.status(401) if index == ANSWERED else None
    words = asking(server, "-m", *SETTINGS, "executor.concurrency=1", "model.params.temperature=0,1")
    ran = evalkit.process(*words)
    assert ran.code == 5, ran.err
    [path] = Path("results/suites").iterdir()
    stopped, whole = json.loads(path.read_text("utf-8"))["members"]
    assert (stopped["code"], whole["code"]) == (5, 0)
    assert "authentication: HTTP 401" in stopped["error"]
    assert json.loads((Path("results") / stopped["run"] / "report.json").read_text())["status"] == "stopped"


def test_python_is_told_of_the_error(server: FakeOpenAI, evalkit: Commands) -> None:
    samples(f"s{number}" for number in range(N))
    server.settings.faults = quota_after(ANSWERED)
    words: list[Any] = list(asking(server, *SETTINGS, "executor.concurrency=1"))[1:]
    with pytest.raises(RunStopped, match="quota"):
        run(*words)
    assert evalkit.report()["status"] == "stopped"
