"""Targets that no answer can equal, because post-processing never gives them: refused before sending."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

from evalkit.datasets.base import Dataset
from evalkit.errors import DatasetError
from evalkit.postprocess import Pipeline, Unparsed
from evalkit.records import text_of

NAMED = 5


def check_labels(dataset: Dataset, postprocess: Pipeline, metrics: Iterable[Any]) -> None:
    """Raise DatasetError when targets are none of the labels that post-processing ends in, if it does.

    Such a sample would be wrong whatever the model answers. Case counts unless a metric ignores it. The
    message proposes what post-processing would read each spelling as.
    """
    labels = postprocess.labels
    if labels is None:
        return
    fold = any(getattr(one, "ignore_case", False) for one in metrics)
    known = {_spelled(label, fold=fold) for label in labels}
    strangers: Counter[str] = Counter()
    for sample in dataset.samples:
        targets = sample.target if isinstance(sample.target, list) else [sample.target]
        if sample.target is not None and not any(_spelled(one, fold=fold) in known for one in targets):
            strangers[", ".join(map(text_of, targets))] += 1
    if not strangers:
        return
    named = ", ".join(f'"{name}" ({count})' for name, count in strangers.most_common(NAMED))
    more = f" and {len(strangers) - NAMED} others" if len(strangers) > NAMED else ""
    shown = sorted(name for name, _ in strangers.most_common(NAMED))
    means = ", ".join(f"{name}: {_meaning(name, postprocess)}" for name in shown) + ", …" * bool(more)
    raise DatasetError(
        f"{dataset.name}: {strangers.total()} of {len(dataset.samples)} targets are none of the task's "
        f"labels ({', '.join(labels)}): {named}{more}; say what each means (dataset.labels='{{{means}}}', "
        "all spellings named), leave rows out with dataset.where, or give the task labels of your own"
    )


def _meaning(target: str, postprocess: Pipeline) -> str:
    try:
        return str(postprocess(target))
    except Unparsed:
        return "<label>"


def _spelled(target: Any, *, fold: bool) -> str:
    text = text_of(target).strip()
    return text.casefold() if fold else text
