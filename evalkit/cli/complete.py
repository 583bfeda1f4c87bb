"""What may stand at the cursor: commands, groups, settings, options, runs, suites and baselines.

Asked at every press of a key, so nothing is composed and nothing heavy imported: groups are folders of
configs, settings the fields of the schema's dataclasses, runs the folders under results.
"""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Iterable, Iterator, Sequence
from importlib import import_module
from pathlib import Path
from typing import get_type_hints

from evalkit import search_path
from evalkit.cli.main import COMMANDS
from evalkit.cli.run import HYDRA_FLAGS

SETTINGS = {"run", "plan", "gate", "selfcheck", "score"}
"""Commands that take overrides."""
SEPARATORS = "=,["
BROKEN_AT = "=:"  # bash starts a new word behind these
MOST = 200  # runs offered
RESULTS = Path("results")


def main(argv: Sequence[str]) -> int:
    """Print what may stand at the end of a line; argv: the shell, and the line up to the cursor."""
    shell, line = (*argv, "", "")[:2]
    words = line.split()
    current = "" if not words or line[-1:].isspace() else words.pop()
    cut = max(current.rfind(one) for one in BROKEN_AT) + 1 if shell == "bash" else 0
    for one in candidates(words[1:], current):
        print(one[cut:])
    return 0


def candidates(words: Sequence[str], current: str) -> list[str]:
    """Return what can stand for `current`, behind the words of the line that are complete."""
    if not words:
        return _begun(current, COMMANDS)
    command, *given = words
    if command not in COMMANDS:
        return []
    options = _options(command)
    if current.startswith("-"):
        return _begun(current, [*options, *(HYDRA_FLAGS if command == "run" else ())])
    if given and given[-1] == "--baseline":
        return _begun(current, _baselines())
    if given and given[-1] in options and options[given[-1]]:
        return _begun(current, options[given[-1]])
    found = list(_positions(command, current))
    if command in SETTINGS:
        found += _settings(current)
    return _begun(current, found)


def _begun(current: str, found: Iterable[str]) -> list[str]:
    return sorted({one for one in found if one.startswith(current)})


def _options(command: str) -> dict[str, list[str]]:
    """Return a command's flags, each with the values that it may take."""
    module = import_module(f"evalkit.cli.{command}")
    if not hasattr(module, "parser"):  # its arguments are all settings
        return {"--help": []}
    return {
        flag: [str(one) for one in action.choices or ()]
        for action in _actions(module.parser())
        for flag in action.option_strings
    }


def _actions(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    for action in parser._actions:  # noqa: SLF001 - argparse shows them nowhere else
        yield action
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001
            for one in action.choices.values():
                yield from _actions(one)


def _positions(command: str, current: str) -> Iterator[str]:
    """Yield what the command's arguments can be: choices where they are few, runs and baselines by name."""
    module = import_module(f"evalkit.cli.{command}")
    actions = module.parser()._actions if hasattr(module, "parser") else ()  # noqa: SLF001
    for action in actions:
        if action.option_strings:
            continue
        yield from (str(one) for one in action.choices or ())
        if action.metavar in {"RUN", "BASE", "CAND"}:
            yield from _runs(current)
        if action.metavar == "BASE":
            yield from _baselines()


def _runs(current: str) -> Iterator[str]:
    yield "latest"
    if current.startswith("latest:"):
        yield from (f"latest:{path.name}" for path in (RESULTS / "runs").glob("*"))
    newest = sorted((path.name for path in (RESULTS / "runs").glob("*/*")), reverse=True)
    yield from newest[:MOST]
    yield from (path.stem for path in (RESULTS / "suites").glob("*.json"))


def _baselines() -> Iterator[str]:
    yield from (path.parent.name for path in (RESULTS / "baselines").glob("*/manifest.json"))
    yield "merge-base"


def _settings(current: str) -> list[str]:
    name, equals, _ = current.partition("=")
    if equals:
        begun = current[: max(current.rfind(one) for one in SEPARATORS) + 1]
        return [begun + value for value in _values(name)]
    above, _, _ = current.rpartition(".")
    return [*(f"{group}=" for group in _groups()), *_fields(above)]


def _values(name: str) -> list[str]:
    """Return a group's choices, or the values of a setting that is on or off."""
    if name in _groups():
        return [path.relative_to(folder).with_suffix("").as_posix() for folder, path in _files(name)]
    return ["true", "false"] if _kind(name) is bool else []


def _groups() -> list[str]:
    return [path.name for folder in _folders() for path in folder.iterdir() if path.is_dir()]


def _folders() -> list[Path]:
    return [one for one in (search_path.user_configs(), search_path.shipped("configs")) if one is not None]


def _files(group: str) -> Iterator[tuple[Path, Path]]:
    for folder in _folders():
        yield from ((folder / group, path) for path in (folder / group).rglob("*.yaml"))


def _fields(above: str) -> list[str]:
    """Return the settings below a dotted name: leaves end in `=`, branches in a dot."""
    kind = _kind(above)
    if not dataclasses.is_dataclass(kind):
        return []
    prefix = f"{above}." if above else ""
    hints = get_type_hints(kind)
    return [
        f"{prefix}{one.name}{'.' if dataclasses.is_dataclass(hints[one.name]) else '='}"
        for one in dataclasses.fields(kind)
        if not one.name.startswith("_")
    ]


def _kind(name: str) -> object:
    """Return the type of a setting; None when there is none of that name."""
    from evalkit.config.schema import RunConfig

    kind: object = RunConfig
    for part in name.split(".") if name else ():
        kind = get_type_hints(kind).get(part) if dataclasses.is_dataclass(kind) else None
    return kind
