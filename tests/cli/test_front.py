"""The front command: help, completion, errors, exit codes, pipes, encodings."""

import os
import re
import shlex
import signal
import subprocess
import sys

import pytest
from commands import Commands, asking, write
from fake_openai import FakeOpenAI

from evalkit.cli.main import COMMANDS

SHELL = f"{shlex.quote(sys.executable)} -m evalkit"


def test_help_names_every_command_and_flag(evalkit: Commands) -> None:
    ran = evalkit("--help")
    assert ran.code == 0
    for word in [*COMMANDS, "--version", "--debug", "--allow-plugin"]:
        assert word in ran.out
    assert evalkit("help").out == evalkit("-h").out == ran.out
    assert evalkit().code == 2
    assert evalkit().out == ran.out


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command: str, evalkit: Commands) -> None:
    ran = evalkit(command, "--help")
    assert ran.code == 0
    assert ran.out.startswith(f"usage: evalkit {command}")


def test_help_of_run_shows_choices_flags_and_exit_codes(evalkit: Commands) -> None:
    write(evalkit.folder / "configs/task/mine.yaml", "# @package _global_\n# Mine\n")
    text = evalkit("run", "task=whatever", "-h").out
    for word in [
        "math, mine, multiple_choice",
        "gpt-4.1",
        "--cfg job",
        "-m, --multirun",
        "prompt.file=",
        "exit codes: 0",
    ]:
        assert word in text
    assert max(map(len, text.splitlines())) <= 110


def test_version_is_the_packages(evalkit: Commands) -> None:
    from evalkit import __version__

    assert evalkit("--version").out == evalkit("-V").out == f"evalkit {__version__}\n"


def test_debug_shows_the_traceback_and_keeps_the_exit_code(evalkit: Commands) -> None:
    plain, debug = evalkit("run", "trials=0"), evalkit("--debug", "run", "trials=0")
    assert "Traceback" not in plain.err
    assert "Traceback" in debug.err
    assert debug.code == plain.code == 2
    assert debug.err.endswith(plain.err)
    assert evalkit("run", "--debug", "trials=0").err == debug.err


def test_debug_shows_where_a_setting_is_wrong(evalkit: Commands) -> None:
    assert "ConfigKeyError" in evalkit("--debug", "run", "+nope.x=1").err


def test_bug_has_an_exit_code_that_is_no_verdict(evalkit: Commands, monkeypatch: pytest.MonkeyPatch) -> None:
    write(
        evalkit.folder / "crashing.py",
        "class Loader:\n    name = 'x'\n\n    def rows(self):\n        raise ZeroDivisionError('oh')\n",
    )
    monkeypatch.syspath_prepend(str(evalkit.folder))
    ran = evalkit("--allow-plugin", "crashing", "run", "dataset._target_=crashing.Loader")
    assert ran.code == 70
    assert "ZeroDivisionError: oh" in ran.err
    assert "please report it" in ran.err.splitlines()[-1]


def test_message_cannot_steer_the_terminal(evalkit: Commands) -> None:
    error = evalkit("show", "\x1b[2J\u202enope\nnext").error
    assert "\\u001b[2J\\u202enope next" in error


@pytest.mark.parametrize("command", ["list", "run --help", "run --info", "run --cfg job"])
def test_reader_may_go_away(command: str, evalkit: Commands) -> None:
    script = f"set -o pipefail; {SHELL} {command} | head -n 1"
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, timeout=60, check=False)
    assert done.stderr == ""
    assert done.returncode == 0
    assert done.stdout.count("\n") == 1


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_output_fits_any_encoding(encoding: str, evalkit: Commands) -> None:
    environment = {**os.environ, "PYTHONIOENCODING": encoding, "PYTHONUTF8": "0"}
    for words in (["list"], ["list", "--json"], ["run", "--help"], ["run", "task=数据"]):
        done = subprocess.run(
            [sys.executable, "-m", "evalkit", *words],
            capture_output=True,
            env=environment,
            timeout=60,
            check=False,
        )
        assert b"Traceback" not in done.stderr
        assert done.returncode in {0, 2}
        done.stdout.decode(encoding)


def test_interrupt_says_what_is_kept_only_where_something_is(evalkit: Commands, server: FakeOpenAI) -> None:
    for cache, says in [
        ("rw", "the same command goes on"),
        ("refresh", "with cache=rw goes on"),
        ("off", None),
    ]:
        server.reset()
        with server.hold():
            code = (
                "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler); "
                "from evalkit.cli.main import main; sys.exit(main())"
            )
            words = asking(server, "dataset.limit=2", f"cache={cache}", "executor.grace=0")
            running = subprocess.Popen(
                [sys.executable, "-c", code, *words], stderr=subprocess.PIPE, text=True
            )
            server.wait(received=2, timeout=30)
            running.send_signal(signal.SIGINT)
            _, error = running.communicate(timeout=30)
        assert running.returncode == 130, error
        assert "Traceback" not in error
        assert error.splitlines()[-1] == "evalkit: interrupted"
        assert (says in error) if says else ("cache" not in error)


def test_nothing_is_said_twice_on_a_pipe(evalkit: Commands, server: FakeOpenAI) -> None:
    ran = evalkit(*asking(server, "dataset.limit=20", "resamples=10"))
    progress = [line for line in ran.err.splitlines() if re.search(r"\d+/20,", line)]
    assert 1 <= len(progress) <= 3
    assert progress[-1].startswith("sentiment with gpt-4o: 20/20, 0 cached, 0 failed")
    again = evalkit(*asking(server, "dataset.limit=20", "resamples=10"))
    assert not [line for line in again.err.splitlines() if re.search(r"\d+/20,", line)]
