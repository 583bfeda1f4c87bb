"""The user's own price list: a YAML file of model names, which wins over the prices that configs record."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from evalkit.client.base import Prices
from evalkit.errors import ConfigError, did_you_mean

VARIABLE = "EVALKIT_PRICES"
AMOUNTS = ("input", "output", "cached_input")
FIELDS = (*AMOUNTS, "batch_discount", "recorded")
DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
SNAPSHOT = re.compile(r"-\d{4}-\d{2}-\d{2}")


def checked(prices: Prices, where: str) -> Prices:
    """Return prices that can be meant; ConfigError names the one that cannot."""
    for name in AMOUNTS:
        amount = getattr(prices, name)
        if amount is not None and not (math.isfinite(amount) and amount >= 0):
            raise ConfigError(f"{where}.{name}={amount}: US dollars per million tokens, 0 or more")
    discount = prices.batch_discount
    if discount is not None and not 0 <= discount <= 1:
        raise ConfigError(f"{where}.batch_discount={discount}: a share, from 0 to 1 (0.5 is half price)")
    return prices


def is_of(model: str, name: str) -> bool:
    """Whether `name` is that model or one of its dated snapshots (`gpt-4o-2024-08-06` is gpt-4o)."""
    return name == model or (name.startswith(model) and SNAPSHOT.fullmatch(name[len(model) :]) is not None)


def listed(name: str, path: str | None) -> Prices | None:
    """Return what the price list says of a model; None without a list, or where it does not name the model.

    The list is `path`, else the file that the environment variable EVALKIT_PRICES names. ConfigError names
    the file and the entry that is wrong, whichever model it belongs to.
    """
    setting = "model.prices_file" if path else VARIABLE
    path = path or os.environ.get(VARIABLE)
    if not path:
        return None
    entries = _read(path, setting)
    prices = {str(model): _prices(entry, f"{path}: {model}", path) for model, entry in entries.items()}
    if name in prices:
        return prices[name]
    return next((found for model, found in prices.items() if is_of(model, name)), None)


def _read(path: str, setting: str) -> Mapping[Any, Any]:
    import yaml

    try:
        data = yaml.safe_load(Path(path).expanduser().read_text("utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or error
        raise ConfigError(f"{setting}={path}: cannot be read ({why})") from None
    except yaml.YAMLError as error:
        where = getattr(error, "problem_mark", None)
        line = f", line {where.line + 1}" if where is not None else ""
        raise ConfigError(f"{setting}={path}{line}: is no YAML") from None
    if not isinstance(data, Mapping):
        raise ConfigError(
            f"{setting}={path}: must map model names to prices, like `gpt-4o: {{input: 2.5, …}}`"
        )
    return data


def _prices(entry: Any, where: str, path: str) -> Prices:
    if not isinstance(entry, Mapping):
        raise ConfigError(f"{where}: must be a mapping of {', '.join(FIELDS)}, got {entry!r}")
    for name in entry:
        if name not in FIELDS:
            raise ConfigError(
                f"{where}.{name}: unknown{did_you_mean(str(name), FIELDS)}; there is {', '.join(FIELDS)}"
            )
    for name in ("input", "output", "recorded"):
        if entry.get(name) is None:
            raise ConfigError(f"{where}: {name} is missing")
    recorded = str(entry["recorded"])
    if not DAY.fullmatch(recorded):
        raise ConfigError(f"{where}.recorded={recorded}: the day of the prices, like 2026-11-22")
    numbers = {
        name: _number(entry[name], f"{where}.{name}") for name in FIELDS[:-1] if entry.get(name) is not None
    }
    return checked(Prices(**numbers, recorded=recorded, source=path), where)


def _number(value: Any, where: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ConfigError(f"{where}={value!r}: must be a number")
    return float(value)
