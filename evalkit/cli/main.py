"""The front command. It imports nothing heavy: help, version and lists answer at once."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from io import TextIOWrapper

from evalkit.errors import EvalkitError, UsageError, did_you_mean

COMMANDS = {
    "run": "evaluate a model on a task; with no override, the embedded model",
    "plan": "what a run would take: requests, tokens, cost, time; nothing is sent",
    "score": "other metrics or post-processing for a stored run; no model is asked",
    "judge": "a model judges a stored run's outputs: by criteria, against another run, by references",
    "compare": "two runs, paired by sample: differences, intervals, p-values",
    "gate": "compare with the accepted baseline and set the exit code",
    "accept": "make a run the baseline",
    "diff": "prompt changes and outputs of two runs, largest loss first",
    "selfcheck": "the gate's own false-alarm rate on a task, by an A/A experiment",
    "verify": "recompute a run's numbers and hashes from its samples",
    "show": "one report, or one sample of it whole",
    "report": "a run as a page or a text that others can read",
    "table": "one score table over many runs",
    "history": "published scores over time, with what changed; history add RUN publishes",
    "list": "tasks, datasets, models, metrics, prompts or runs",
    "metrics": "a metric as a module of Hugging Face evaluate: export",
    "cache": "the answers kept: stats, explain, export, import, verify, gc",
    "model": "the embedded model: pull, list",
    "init": "start a project: configs, 20 samples, recorded answers; --ci github writes its workflow",
    "completion": "the script that completes commands in bash, zsh or fish",
}
INTERRUPTED = 130
BUG = 70  # sysexits' EX_SOFTWARE: Python's own 1 would read as a regression
# What a run allocates, modules first and then records, lives to its end: to look at all of it again and
# again, as Python's own 700 has it, takes a tenth of a run's CPU.
COLLECT = (500_000, 10, 100)
# numpy's OpenBLAS starts a thread for each core, and each keeps its core busy for 2**26 cycles before it
# sleeps, when it is started and after every product: that is CPU, and other work waits for the core.
BLAS_SLEEP = ("OPENBLAS_THREAD_TIMEOUT", "4")  # 2**4 cycles
COMPLETE = "__complete"  # asked by the shells' scripts

HELP = """evalkit: evaluate GPT-4-class models with numbers a reviewer can trust

usage: evalkit COMMAND [ARGUMENTS]

{commands}

  --help          this text; evalkit COMMAND --help says more
  --version       the version
  --debug         show the traceback of an error
  --allow-plugin PACKAGE
                  let configs name classes of this package (they run as your code)
  --allow-evaluate PATH
                  let configs and reports name this metric of `evaluate` (its code is run)

examples:
  evalkit run
  evalkit run task=summarization model=gpt-4o dataset.limit=20
  evalkit run -m task=sentiment,qa model=gpt-4o,gpt-4.1
  evalkit show latest

completion: eval "$(evalkit completion bash)"   (or zsh, fish)
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    if argv is None:  # the process is ours
        gc.set_threshold(*COLLECT)
        os.environ.setdefault(*BLAS_SLEEP)
    words = list(sys.argv[1:] if argv is None else argv)
    debug = _take_flag(words, "--debug")
    if isinstance(sys.stdout, TextIOWrapper):  # a pipe may be ASCII, a text may hold what UTF-8 cannot spell
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        _allow_plugins(words)
        _allow_unprotected(words)
        _allow_evaluate(words)
        code = _dispatch(words)
        sys.stdout.flush()
    except EvalkitError as error:
        return _refused(error, debug=debug)
    except KeyboardInterrupt:
        print("evalkit: interrupted", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:  # the reader of our output went away (| head)
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception:  # noqa: BLE001 - shown whole, with an exit code that is nobody's verdict
        return _bug()
    return code


def _refused(error: EvalkitError, *, debug: bool) -> int:
    from evalkit.cli.output import note, print_traceback

    if debug:
        print_traceback()
    note(f"evalkit: {error}")
    return error.exit_code


def _bug() -> int:
    from evalkit.cli.output import print_traceback

    print_traceback()
    print(
        "evalkit: this is a bug in evalkit or in a plugin; please report it with the lines above",
        file=sys.stderr,
    )
    return BUG


def _dispatch(words: list[str]) -> int:
    if not words or words[0] in {"-h", "--help", "help"}:
        print(HELP.format(commands=_command_list()), end="")
        return 0 if words else UsageError.exit_code
    if words[0] in {"-V", "--version"}:
        from evalkit import __version__

        print(f"evalkit {__version__}")
        return 0
    name, *rest = words
    if name == COMPLETE:
        name = "complete"
    elif name not in COMMANDS:
        raise UsageError(
            f'no command "{name}"{did_you_mean(name, COMMANDS)}; there are {", ".join(COMMANDS)}'
        )
    command = import_module(f"evalkit.cli.{name}")
    return int(command.main(rest))


def _command_list() -> str:
    width = max(map(len, COMMANDS))
    return "\n".join(f"  {name:<{width}}  {text}" for name, text in COMMANDS.items())


def _take_flag(words: list[str], flag: str) -> bool:
    found = flag in words
    while flag in words:
        words.remove(flag)
    return found


def _allow_unprotected(words: list[str]) -> None:
    """Let a model's code run without a sandbox where the command line, not a file, says so."""
    if "sandbox=none" in words:
        os.environ["EVALKIT_SANDBOX"] = "none"


def _allow_plugins(words: list[str]) -> None:
    """Move --allow-plugin into the environment, where child processes of a sweep find it too."""
    for package in _taken(words, "--allow-plugin", "the name of a package, as Python imports it"):
        if not all(part.isidentifier() for part in package.split(".")):
            raise UsageError("--allow-plugin needs the name of a package, as Python imports it")
        _allow("EVALKIT_PLUGINS", package, ",")


def _allow_evaluate(words: list[str]) -> None:
    """Let metrics of `evaluate` be run that the command line names, by the flag or by their path."""
    named = _taken(words, "--allow-evaluate", "a metric of evaluate: its folder, script or name")
    for word in words:
        setting, _, value = word.lstrip("+").partition("=")
        if setting.startswith("metrics.") and setting.endswith(".path") and value:
            named += [value.strip("\"'"), *value.split(",")]
    for one in named:
        _allow("EVALKIT_EVALUATE", one, os.pathsep)


def _taken(words: list[str], flag: str, what: str) -> list[str]:
    """Take a flag out of the words, as often as it is there; return its values."""
    words[:] = [
        part
        for word in words
        for part in ((flag, word[len(flag) + 1 :]) if word.startswith(f"{flag}=") else (word,))
    ]
    found = []
    while flag in words:
        place = words.index(flag)
        value = words[place + 1] if place + 1 < len(words) else ""
        if not value:
            raise UsageError(f"{flag} needs {what}")
        found.append(value)
        del words[place : place + 2]
    return found


def _allow(variable: str, name: str, separator: str) -> None:
    os.environ[variable] = separator.join(filter(None, (os.environ.get(variable, ""), name)))
