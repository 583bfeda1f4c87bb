"""Why a request is not in the cache: the stored request that is nearest, and where the two differ."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from evalkit.records import Request, content_hash

COMPARED = 2000  # words of a text that similarity looks at
MOST = 4  # differences on one line
SHOWN = 12  # words of a change that are shown
AROUND = 3  # words before and after it
SHORT = 60  # characters of a text that is shown whole


@dataclass(frozen=True, slots=True)
class Difference:
    """One field: as it is stored and as it is asked now; None where it is not set."""

    field: str
    stored: Any
    asked: Any

    def __str__(self) -> str:
        if isinstance(self.stored, str) and isinstance(self.asked, str):
            return f"{self.field}: {_texts(self.stored, self.asked)}"
        return f"{self.field}: {_value(self.stored)} -> {_value(self.asked)}"


@dataclass(frozen=True, slots=True)
class Near:
    """The stored request that is nearest to one that is asked."""

    key: str
    differences: tuple[Difference, ...]

    def __str__(self) -> str:
        return listed(str(one) for one in self.differences)


def nearest(request: Request, stored: Iterable[Mapping[str, Any]]) -> Near | None:
    """Return the nearest of some stored requests; the first of several that are equally near.

    The same server and model count first, then the number of fields that differ, then how many words the
    texts that differ have in common.
    """
    asked = fields(as_stored(request))
    best: tuple[Any, Mapping[str, Any], tuple[Difference, ...]] | None = None
    for one in stored:
        differences = compare(fields(one), asked)
        if not differences:  # the request itself
            continue
        names = {difference.field for difference in differences}
        rank = (len(names & {"server", "model"}), len(differences), -_similarity(differences))
        if best is None or rank < best[0]:
            best = rank, one, differences
    return None if best is None else Near(content_hash(best[1]), best[2])


def listed(differences: Iterable[str]) -> str:
    """Return differences on one line, the first few of many."""
    some = list(differences)
    more = f"; and {len(some) - MOST} more fields" if len(some) > MOST else ""
    return "; ".join(some[:MOST]) + more


def as_stored(request: Request) -> dict[str, Any]:
    """Return a request as the cache keeps it."""
    return {
        "server": request.server,
        "endpoint": request.endpoint,
        "body": request.body,
        "trial": request.trial,
    }


def fields(asked: Mapping[str, Any]) -> dict[str, Any]:
    """Return a stored request's fields by path: `model`, `temperature`, `messages[0].content`, `server`."""
    body = asked.get("body")
    found = {name: asked.get(name) for name in ("server", "endpoint", "trial")}
    for name, value in body.items() if isinstance(body, Mapping) else ():
        _flatten(str(name), value, found)
    return found


def compare(stored: Mapping[str, Any], asked: Mapping[str, Any]) -> tuple[Difference, ...]:
    """Return the fields that differ, in the order of what is asked."""
    names = dict.fromkeys([*asked, *stored])
    return tuple(
        Difference(name, stored.get(name), asked.get(name))
        for name in names
        # 0 and 0.0, and 1 and true, are different requests.
        if (name in stored) != (name in asked) or _json(stored.get(name)) != _json(asked.get(name))
    )


def _flatten(path: str, value: Any, found: dict[str, Any]) -> None:
    if isinstance(value, Mapping) and value:
        for name, one in value.items():
            _flatten(f"{path}.{name}", one, found)
    elif isinstance(value, (list, tuple)) and any(isinstance(one, (Mapping, list)) for one in value):
        for place, one in enumerate(value):
            _flatten(f"{path}[{place}]", one, found)
    else:
        found[path] = value


def _similarity(differences: Iterable[Difference]) -> float:
    """Return the share of words that the texts that differ have in common, in [0, 1]; 1 if none differs."""
    common = total = 0
    for one in differences:
        if isinstance(one.stored, str) and isinstance(one.asked, str):
            stored, asked = Counter(one.stored.split()[:COMPARED]), Counter(one.asked.split()[:COMPARED])
            common += 2 * (stored & asked).total()
            total += stored.total() + asked.total()
    return common / total if total else 1.0


def _value(value: Any) -> str:
    if value is None:
        return "(not set)"
    text = _json(value)
    return text if len(text) <= SHORT else f"{text[:SHORT]}…"


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True)


def _texts(stored: str, asked: str) -> str:
    """Return the first change between two texts, with the words around it."""
    if len(stored) <= SHORT and len(asked) <= SHORT:
        return f"{_json(stored)} -> {_json(asked)}"
    old, new = stored.split(), asked.split()
    if old == new:
        return "only spaces or line ends differ"
    start = 0
    while start < min(len(old), len(new)) and old[start] == new[start]:
        start += 1
    end = 0
    while end < min(len(old), len(new)) - start and old[-1 - end] == new[-1 - end]:
        end += 1
    before = _cut(old[:start][-AROUND:], more=False)
    after = _cut(old[len(old) - end :][:AROUND], more=False)
    changed = [
        f"{opening}{_cut(words[start : len(words) - end], more=True)}{closing}"
        for words, opening, closing in ((old, "[-", "-]"), (new, "{+", "+}"))
        if words[start : len(words) - end]
    ]
    left, right = "…" * (start > AROUND), "…" * (end > AROUND)
    return f"{left}{' '.join(filter(None, [before, *changed, after]))}{right}"


def _cut(words: list[str], *, more: bool) -> str:
    shown = " ".join(words[:SHOWN])
    shown = shown if len(shown) <= SHOWN * SHORT else f"{shown[: SHOWN * SHORT]}…"
    return f"{shown} … ({len(words)} words)" if more and len(words) > SHOWN else shown
