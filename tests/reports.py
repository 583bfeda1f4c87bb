"""Reports made up for tests of what is written, read, found and rendered."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from evalkit.records import Aggregate
from evalkit.report.base import COMPLETE, Report


def aggregate(metric: str = "accuracy", value: float = 0.5, **changes: Any) -> Aggregate:
    made = Aggregate(
        metric=metric,
        value=value,
        low=0.25,
        high=0.75,
        confidence=0.95,
        interval="percentile",
        n=10,
        n_failed=0,
        n_unparsed=0,
        signature="case:mixed",
        higher_is_better=True,
        maximum=1.0,
    )
    return replace(made, **changes)


def report(run_id: str = "20260102-030405-abcdef", *aggregates: Aggregate, **changes: Any) -> Report:
    made = Report(
        run_id=run_id,
        status=COMPLETE,
        created="2026-01-02T03:04:05+00:00",
        task={"name": "sentiment"},
        dataset={"name": "sentiment", "fingerprint": "f" * 64, "n": 10},
        prompt={
            "name": "plain",
            "sha256": "a" * 64,
            "source": {
                "system": "Be kind.",
                "messages": [],
                "template": "{{ text }}",
                "variables": {},
                "answer_schema": None,
            },
        },
        postprocess=["strip"],
        model={
            "asked": "gpt-4o",
            "identity": "http://127.0.0.1/v1",
            "served": {"gpt-4o-2024-08-06": 10},
            "system_fingerprint": {},
            "params": {"temperature": 0.0},
        },
        metrics={one.metric: one for one in aggregates or [aggregate()]},
        families={},
        counts={
            "requests": 10, "answered": 10, "failed": 0, "cached": 0, "unparsed": 0, "cut_off": 0,
            "refused": 0,
        },
        failures={},
        usage={"prompt": 100, "completion": 20, "cached": 0, "reasoning": 0},
        cost=None,
        timing={"seconds": 1.5},
        provenance={"git": None, "versions": {"evalkit": "0.1.0", "python": "3.11.7"}},
        config={},
        seeds={"seed": 0},
    )  # fmt: skip
    return replace(made, **changes)
