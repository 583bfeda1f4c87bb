"""Modules of Hugging Face's `evaluate`: which may be run here, and loading them.

A module is a Python file that is run. So it is loaded only where the command line or the environment names
it, never because a config file or a report does.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from evalkit.errors import MetricError

ALLOW_VARIABLE = "EVALKIT_EVALUATE"

_loaded: dict[tuple[str, str | None, str | None, int], Any] = {}
"""Loaded modules: they cannot be copied or pickled, as metrics are."""


def allowed(path: str) -> bool:
    """Whether the user has named this module on the command line or in the environment."""
    named = filter(None, os.environ.get(ALLOW_VARIABLE, "").split(os.pathsep))
    return any(one == path or (is_place(path) and _place(one) == _place(path)) for one in named)


def loaded(path: str, config_name: str | None, revision: str | None) -> Any:
    """Return a module, loaded once a process; MetricError where it is not allowed, not there, or broken."""
    if not allowed(path):
        raise MetricError(
            f"evaluate: {path} is code that would be run, so no file can ask for it: write "
            f"metrics.evaluate.path={path} on the command line, or --allow-evaluate {path}, or export "
            f"{ALLOW_VARIABLE}={path}"
        )
    where = _script(path)
    key = (where, config_name, revision, _changed(where))
    if key not in _loaded:
        _loaded[key] = _load(path, where, config_name, revision)
    return _loaded[key]


def _load(path: str, where: str, config_name: str | None, revision: str | None) -> Any:
    import evaluate

    options = {} if revision is None else {"revision": revision}
    try:
        # In memory: no lock files; seeded: what it draws at random is the same every time.
        return evaluate.load(where, config_name, keep_in_memory=True, seed=0, **options)
    except ImportError as error:
        raise MetricError(
            f"evaluate: {path} needs packages that are not here ({first_line(error)})"
        ) from error
    except (FileNotFoundError, ConnectionError) as error:
        if is_place(path):
            raise MetricError(f"evaluate: {path} cannot be loaded ({first_line(error)})") from error
        raise MetricError(
            f"evaluate: metric {path} is not in a local folder and the hub cannot be reached, or has none of "
            "that name; give a path: metrics.evaluate.path=./FOLDER"
        ) from error
    except Exception as error:
        told = f"{type(error).__name__}: {first_line(error)}"
        raise MetricError(f"evaluate: {path} cannot be loaded ({told})") from error


def forget(config_name: str | None, revision: str | None) -> None:
    """Load it anew the next time: after an error it may hold half of what it was given."""
    for key in [key for key in _loaded if key[1:3] == (config_name, revision)]:
        del _loaded[key]


def _script(path: str) -> str:
    """Return what `evaluate` is to load: the script of a place, or a name as it is.

    A name never means a folder that happens to be here: whoever adds one could have their code run for it.
    """
    if not is_place(path):
        folder = Path(path)
        if (folder / f"{folder.name}.py").is_file():
            raise MetricError(
                f"evaluate: {path} is a name of the hub's, and there is a folder of that name here; write "
                f"./{path} for the folder"
            )
        return path
    place = _place(path)
    script = place if place.suffix == ".py" else place / f"{place.name}.py"
    if not script.is_file():
        raise MetricError(
            f"evaluate: {path} holds no metric: there is no file {script}; give a script, or a folder with "
            "one of its name"
        )
    return str(script)


def is_place(path: str) -> bool:
    """Whether a path is one, and not the name of a module of the hub."""
    return path.startswith((".", "~", os.sep)) or path.endswith(".py") or Path(path).is_absolute()


def _place(path: str) -> Path:
    return Path(path).expanduser().resolve()


def _changed(where: str) -> int:
    return Path(where).stat().st_mtime_ns if is_place(where) else 0


def first_line(error: BaseException) -> str:
    """Return the first line of what an error says."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__
