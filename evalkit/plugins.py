"""Classes named in configs: from evalkit and packages that the user allows; options checked by name."""

from __future__ import annotations

import importlib
import inspect
import os
from collections.abc import Collection, Iterator, Mapping
from typing import Any, TypeVar

from evalkit.errors import ConfigError, EvalkitError, did_you_mean

ALLOW_VARIABLE = "EVALKIT_PLUGINS"
OURS = "evalkit"

T = TypeVar("T")


class Classes(Mapping[str, type[T]]):
    """A package's classes by the names that settings have for them, each imported when it is looked up.

    `where` says for each name the module and the class in it: `{"label": "label.Label"}`.
    """

    def __init__(self, package: str, where: Mapping[str, str]) -> None:
        self._package, self._where = package, where

    def __getitem__(self, name: str) -> type[T]:
        module, _, cls = self._where[name].rpartition(".")
        found: type[T] = getattr(importlib.import_module(f"{self._package}.{module}"), cls)
        return found

    def __iter__(self) -> Iterator[str]:
        return iter(self._where)

    def __len__(self) -> int:
        return len(self._where)


def allowed_packages() -> list[str]:
    """Return the packages whose classes a config may name: the environment says so, never a file."""
    return [OURS, *filter(None, map(str.strip, os.environ.get(ALLOW_VARIABLE, "").split(",")))]


def plugin(target: Any, setting: str, needs: Collection[str] = (), *, ours: bool = True) -> type:
    """Return the class that `_target_` names; importing runs code, so the package must be allowed.

    `needs` are the methods without which the class cannot serve as this setting; `ours` says whether
    evalkit's own classes can.
    """
    if not isinstance(target, str) or "." not in target:
        raise ConfigError(f"{setting}._target_ must name a class like package.module.Class, got {target!r}")
    module_name, _, class_name = target.rpartition(".")
    allowed = allowed_packages() if ours else allowed_packages()[1:]
    if not _within(module_name, allowed):
        package = module_name.partition(".")[0]
        raise ConfigError(
            f"{setting}._target_={target}: configs may run code only from evalkit and allowed packages; "
            f"if you trust {package}, use --allow-plugin {package} or {ALLOW_VARIABLE}={package}"
        )
    try:
        module = importlib.import_module(module_name)
    except Exception as error:  # the plugin's code may raise anything; --debug shows where
        raise ConfigError(
            f"{setting}._target_={target}: cannot import {module_name} ({type(error).__name__}: {error})"
        ) from error
    found = getattr(module, class_name, None)
    # A name that a module merely imported (os, subprocess.Popen) is no plugin of that package.
    if not isinstance(found, type) or not _within(found.__module__, allowed):
        classes = [name for name, one in vars(module).items() if isinstance(one, type)]
        raise ConfigError(
            f"{setting}._target_={target}: {module_name} has no class {class_name}"
            f"{did_you_mean(class_name, classes)}"
        )
    lacking = sorted(set(needs) - set(dir(found)))
    if lacking:
        raise ConfigError(
            f"{setting}._target_={target}: it cannot serve here, it has no {', '.join(lacking)}"
        )
    return found


def takes(cls: type) -> Mapping[str, inspect.Parameter]:
    """Return the options of a class by name."""
    own = cls.__mro__[:-1]
    if not any(name in vars(one) for one in own for name in ("__init__", "__new__")):
        return {}  # inspect would parse what object says of itself in its docstring
    return {
        name: one
        for name, one in inspect.signature(cls).parameters.items()
        if one.kind in {one.KEYWORD_ONLY, one.POSITIONAL_OR_KEYWORD}
    }


def check_options(options: Collection[str], taken: Collection[str], cls: type, setting: str) -> None:
    """Raise ConfigError for an option that is none of those that the class takes."""
    for name in options:
        if name not in taken:
            raise ConfigError(
                f"{setting}.{name}: {cls.__name__} has no such option{did_you_mean(name, taken)}; "
                f"it takes {', '.join(taken) or 'none'}"
            )


def construct(cls: type, options: Mapping[str, Any], setting: str) -> Any:
    """Return cls(**options); an option that it does not take, or lacks, is an error by name."""
    parameters = takes(cls)
    check_options(options, parameters, cls, setting)
    for name, one in parameters.items():
        if one.default is one.empty and name not in options:
            raise ConfigError(f"{setting}.{name} is missing: {cls.__name__} needs it")
    try:
        return cls(**options)
    except EvalkitError:
        raise
    except (TypeError, ValueError) as error:
        raise ConfigError(f"{setting}: {error}") from error


STEP = ("__call__", "name")


def named(one: Any, known: Mapping[str, type], setting: str, needs: Collection[str] = STEP) -> Any:
    """Return what settings choose by its name, its name with options, or a class by `_target_`."""
    name, options = (one, {}) if isinstance(one, str) else (None, {})
    if isinstance(one, Mapping) and "_target_" in one:
        options = {key: value for key, value in one.items() if key != "_target_"}
        return construct(plugin(one["_target_"], setting, needs), options, setting)
    if isinstance(one, Mapping) and len(one) == 1:
        name, options = next(iter(one.items()))
    if name is None:
        raise ConfigError(f"{setting}: write a step's name, or {{name: {{option: value}}}}, got {one!r}")
    if name not in known:
        raise ConfigError(
            f'{setting}: no step "{name}"{did_you_mean(name, known)}; there are {", ".join(known)}'
        )
    return construct(known[name], options or {}, f"{setting}.{name}")


def _within(module_name: str, packages: Collection[str]) -> bool:
    return any(module_name == one or module_name.startswith(f"{one}.") for one in packages)
