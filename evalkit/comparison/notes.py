"""What the reader of a comparison should know beside the numbers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from evalkit.comparison.base import Side


def notes_on(baseline: Side, candidate: Side) -> Iterator[str]:
    """Yield one sentence for each circumstance that could explain a difference, or weaken it."""
    before, after = baseline.facts, candidate.facts
    yield from _changes(before, after)
    yield from _drift(before, after)
    for label, side in (("baseline", baseline), ("candidate", candidate)):
        failed = sum(one.failed for one in side.samples.values())
        if failed:
            yield f"{failed} requests of the {label} failed; they are not scored, and bounded where they gate"
    for name, family in candidate.families.items():
        other = baseline.families.get(name)
        if other is not None and other.signature != family.signature:
            yield f"{name} was computed by other library versions: {other.signature} and {family.signature}"


def _changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[str]:
    """Say what was changed on purpose."""
    if before["model"] != after["model"]:
        yield f"model changed from {before['model']} to {after['model']}"
    if before["params"] != after["params"]:
        names = sorted(
            name
            for name in before["params"].keys() | after["params"].keys()
            if before["params"].get(name) != after["params"].get(name)
        )
        changes = (f"{name} {before['params'].get(name)} to {after['params'].get(name)}" for name in names)
        yield f"parameters changed: {', '.join(changes)}"
    if before["prompt_sha256"] != after["prompt_sha256"]:
        yield "the prompt changed"
    steps = [_steps(one.get("dataset", {}).get("preprocess") or {}) for one in (before, after)]
    if steps[0] != steps[1]:
        yield f"pre-processing changed from {steps[0]} to {steps[1]}"
    old, new = (_passages(one.get("dataset", {}).get("retrieval")) for one in (before, after))
    if old != new:
        yield f"the passages shown changed from {old} to {new}"


def _steps(preprocess: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {steps}" for name, steps in sorted(preprocess.items())) or "none"


def _passages(retrieval: Mapping[str, Any] | None) -> str:
    """Say what was shown of which knowledge base; library versions are no change."""
    if retrieval is None:
        return "none"
    how = "|".join(part for part in retrieval["signature"].split("|") if not part.startswith("version:"))
    base = f" of knowledge base {retrieval['fingerprint'][:8]}" if "fingerprint" in retrieval else ""
    return f"{retrieval['k']}{base} by {how}"


def _drift(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[str]:
    """Say when the server's model is not the same, although nobody asked for another."""
    same_asked = before["model"] == after["model"]
    for name, what in (("served", "model"), ("system_fingerprint", "system fingerprint")):
        old, new = sorted(before[name]), sorted(after[name])
        if same_asked and old and new and old != new:
            yield f"the served {what} drifted from {', '.join(old)} to {', '.join(new)}"
        for label, found in (("baseline", old), ("candidate", new)):
            if len(found) > 1:
                yield f"more than one {what} served the {label}: {', '.join(found)}"
