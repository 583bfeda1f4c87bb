"""Classes named in configs: from evalkit and packages that the user allows; options checked by name."""

from __future__ import annotations

import importlib
import inspect
import os
from collections.abc import Mapping
from typing import Any

from evalkit.errors import ConfigError, did_you_mean

ALLOW_VARIABLE = "EVALKIT_PLUGINS"


def allowed_packages() -> set[str]:
    """Return the packages whose classes a config may name: the environment says so, never a file."""
    return {
        "evalkit",
        *(name.strip() for name in os.environ.get(ALLOW_VARIABLE, "").split(",") if name.strip()),
    }


def plugin(target: Any, setting: str) -> type:
    """Return the class that `_target_` names; importing runs code, so the package must be allowed."""
    if not isinstance(target, str) or "." not in target:
        raise ConfigError(f"{setting}._target_ must name a class like package.module.Class, got {target!r}")
    module_name, _, class_name = target.rpartition(".")
    package = module_name.partition(".")[0]
    if package not in allowed_packages():
        raise ConfigError(
            f"{setting}._target_={target}: configs may run code only from evalkit and allowed packages; "
            f"if you trust {package}, use --allow-plugin {package} or {ALLOW_VARIABLE}={package}"
        )
    try:
        module = importlib.import_module(module_name)
    except ImportError as error:
        raise ConfigError(f"{setting}._target_={target}: cannot import {module_name} ({error})") from None
    found = getattr(module, class_name, None)
    # A name that a module merely imported (os, subprocess.Popen) is no plugin of that package.
    if not isinstance(found, type) or found.__module__.partition(".")[0] != package:
        classes = [name for name, one in vars(module).items() if isinstance(one, type)]
        raise ConfigError(
            f"{setting}._target_={target}: {module_name} has no class {class_name}"
            f"{did_you_mean(class_name, classes)}"
        )
    return found


def construct(cls: type, options: Mapping[str, Any], setting: str) -> Any:
    """Return cls(**options); an option that it does not take, or lacks, is an error by name."""
    parameters = {
        name: one
        for name, one in inspect.signature(cls).parameters.items()
        if one.kind in {one.KEYWORD_ONLY, one.POSITIONAL_OR_KEYWORD}
    }
    for name in options:
        if name not in parameters:
            raise ConfigError(
                f"{setting}.{name}: {cls.__name__} has no such option{did_you_mean(name, parameters)}; "
                f"it takes {', '.join(parameters) or 'none'}"
            )
    for name, one in parameters.items():
        if one.default is one.empty and name not in options:
            raise ConfigError(f"{setting}.{name} is missing: {cls.__name__} needs it")
    try:
        return cls(**options)
    except TypeError as error:
        raise ConfigError(f"{setting}: {error}") from None
