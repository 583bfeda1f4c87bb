"""Settings that parse and still cannot be meant: out of range, unsafe as a file name, or a secret."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterator, Mapping
from typing import Any

from evalkit.config.compose import plain
from evalkit.config.schema import FewShotConfig, RunConfig
from evalkit.errors import ConfigError, ModelError, did_you_mean
from evalkit.prompts import FORMS

LONGEST_NAME = 100  # characters; file systems allow 255 bytes
# Names in model.extra and model.options whose values are secrets.
SECRET_SETTING = re.compile(
    r"(.*[-_])?(api[-_]?key|authorization|bearer|password|passwd|secret|(access|auth)[-_]?token)",
    re.IGNORECASE,
)
HIDDEN = "…"


def check_settings(config: RunConfig) -> None:
    """Refuse settings before anything is read or sent."""
    if config.trials < 1:
        raise ConfigError(f"trials={config.trials}: must be at least 1")
    if config.seed < 0:
        raise ConfigError(f"seed={config.seed}: must be 0 or more")
    if not 0 < config.confidence < 1:
        raise ConfigError(f"confidence={config.confidence}: must lie between 0 and 1, like 0.95")
    if config.resamples < 1:
        raise ConfigError(f"resamples={config.resamples}: must be at least 1")
    if not 0 <= config.max_failed <= 1:
        raise ConfigError(f"max_failed={config.max_failed}: a share of the samples, from 0 to 1")
    if not config.model.timeout > 0:
        raise ConfigError(f"model.timeout={config.model.timeout}: seconds, more than 0")
    for name, limit in vars(config.budget).items():
        if limit is not None and not 0 < limit < math.inf:
            raise ConfigError(f"budget.{name}={limit}: more than 0 (null: no limit)")
    _check_name("task.name", config.task.name)
    if config.suite is not None:
        _check_name("suite", config.suite)
    _check_fewshot(config.fewshot)
    _check_secrets(config)


def public(config: RunConfig) -> dict[str, Any]:
    """Return the settings as plain data for the report, without credentials or query in the base URL."""
    from evalkit.client import urls

    data = plain(config)
    base_url = config.model.base_url
    if base_url is not None:
        try:
            data["model"]["base_url"] = urls.parse(base_url).identity
        except ModelError:  # no address, so a model that needs none: nothing of it is told
            data["model"]["base_url"] = HIDDEN
    return data


def public_override(override: str) -> str:
    """Return an override as it may be shown and kept: no keys or credentials, no Hydra escapes."""
    from evalkit.client.redaction import hide

    override = override.replace("\\:", ":")
    override = re.sub(r"(?<=://)[^/\s]*@", "", override)
    return hide(re.sub(r"(base_url=[^?]*)\?.*", r"\1", override))


def _check_fewshot(settings: FewShotConfig) -> None:
    if settings.k < 0:
        raise ConfigError(f"fewshot.k={settings.k}: must be 0 (no examples) or more")
    if settings.limit is not None and settings.limit < 1:
        raise ConfigError(f"fewshot.limit={settings.limit}: must be at least 1 (null for all)")
    if settings.form not in FORMS:
        near = did_you_mean(settings.form, FORMS)
        raise ConfigError(f'fewshot.form="{settings.form}"{near}: must be {" or ".join(FORMS)}')


def _check_name(setting: str, name: str) -> None:
    """The name becomes a file's or folder's: it must stay inside its parent and be found again."""
    if not name:
        raise ConfigError(f"{setting} is empty; set {setting}=<name>")
    bad = (
        len(name) > LONGEST_NAME
        or not name.isprintable()
        or name[0] in ".-~"
        or set(name) & set('/\\:*?"<>|')
    )
    if bad:
        raise ConfigError(
            f"{setting}={name!r} names a folder of reports; use letters, digits, - and _, "
            f"{LONGEST_NAME} characters at the most"
        )


def _check_secrets(config: RunConfig) -> None:
    """The settings are written into the report, so no key must be among them."""
    from evalkit.client import redaction

    keys = redaction.of_environment()
    for setting in ("api_key_env", "token_env"):
        variable = getattr(config.model, setting)
        if variable is None:
            continue
        _check_variable(setting, variable)
        key = os.environ.get(variable, "").strip()
        if len(key) >= redaction.SHORTEST_KEY:  # "none" or "EMPTY", as local servers like it, is no secret
            redaction.remember(key)
            keys[variable] = key
    for path, text in _texts(public(config)):
        for variable, key in keys.items():
            if key in text:
                raise ConfigError(
                    f"{path} holds the API key of {variable}, and settings are written into reports; "
                    "take it out: the key is sent by itself"
                )
        if path.startswith("model.") and (redaction.LOOKS_LIKE_KEY.search(text) or _names_secret(path)):
            raise ConfigError(
                f"{path} looks like an API key, and settings are written into reports; take it out, and put "
                "the key into the environment variable that model.api_key_env names"
            )


def _check_variable(setting: str, variable: str) -> None:
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", variable):
        raise ConfigError(
            f"model.{setting} must be the name of an environment variable, never the key itself; "
            f"export OPENAI_API_KEY=… and leave model.{setting} alone"
        )


def _names_secret(path: str) -> bool:
    _, group, *names = path.split(".")
    return group in {"extra", "options"} and any(
        SECRET_SETTING.fullmatch(name.partition("[")[0]) for name in names
    )


def _texts(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, Mapping):
        for name, one in value.items():
            yield path, str(name)
            yield from _texts(one, f"{path}.{name}" if path else str(name))
    elif isinstance(value, list):
        for place, one in enumerate(value):
            yield from _texts(one, f"{path}[{place}]")
