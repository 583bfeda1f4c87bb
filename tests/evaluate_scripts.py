"""Small metrics of Hugging Face's `evaluate`, as files that it loads: each shows a thing that modules do."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from commands import write

_KEPT = tempfile.TemporaryDirectory(prefix="evalkit-modules-")

HEAD = """import datasets
import evaluate

TEXT, WHOLE, REAL = datasets.Value("string"), datasets.Value("int32"), datasets.Value("float32")
MANY = datasets.Sequence(TEXT)


class Module(evaluate.Metric):
    def _info(self):
        return evaluate.MetricInfo(description="", citation="", inputs_description="", features={features})

    def _compute(self, {arguments}):
{body}
"""


@pytest.fixture
def modules_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """Copies of scripts stay out of the home folder; in one place, since Python imports them as a package."""
    import evaluate.config

    monkeypatch.setattr(evaluate.config, "HF_MODULES_CACHE", f"{_KEPT.name}/modules")
    monkeypatch.setattr(evaluate.config, "HF_METRICS_CACHE", f"{_KEPT.name}/metrics")


def make(
    folder: Path,
    name: str,
    body: str,
    *,
    features: str = "datasets.Features({'predictions': TEXT, 'references': TEXT})",
    arguments: str = "predictions, references",
) -> str:
    """Write `<folder>/<name>/<name>.py`; returns the folder."""
    lines = "\n".join(f"        {line}" for line in body.splitlines())
    text = HEAD.format(features=features, arguments=arguments, body=lines)
    return str(write(folder / name / f"{name}.py", text).parent)


def equal(folder: Path) -> str:
    """The share of equal texts: a value of all answers together."""
    return make(
        folder,
        "equal",
        'hits = [p == r for p, r in zip(predictions, references)]\nreturn {"equal": sum(hits) / len(hits)}',
    )


def letters(folder: Path) -> str:
    """As BERTScore does: lists of precision, recall and f1, and how they were made."""
    return make(
        folder,
        "letters",
        "found = [(len(set(p) & set(r)) / max(1, len(set(p))), len(set(p) & set(r)) / max(1, len(set(r))))\n"
        "         for p, r in zip(predictions, references)]\n"
        "f1 = [2 * a * b / (a + b) if a + b else 0.0 for a, b in found]\n"
        'return {"precision": [a * scale for a, _ in found], "recall": [b * scale for _, b in found],\n'
        '        "f1": [one * scale for one in f1], "hashcode": "letters-1"}',
        arguments="predictions, references, scale=1.0",
    )


def labels(folder: Path) -> str:
    """Accuracy of labels as whole numbers, as scikit-learn's are wrapped."""
    return make(
        folder,
        "labels",
        'return {"accuracy": sum(p == r for p, r in zip(predictions, references)) / len(predictions),\n'
        '        "highest": max(references)}',
        features="datasets.Features({'predictions': WHOLE, 'references': WHOLE})",
    )


def error(folder: Path) -> str:
    """Mean squared error of numbers."""
    return make(
        folder,
        "error",
        'return {"mse": sum((p - r) ** 2 for p, r in zip(predictions, references)) / len(predictions)}',
        features="datasets.Features({'predictions': REAL, 'references': REAL})",
    )


def any_of(folder: Path) -> str:
    """The share of texts that are among several references, or are the one."""
    return make(
        folder,
        "any_of",
        "hits = [p in r if isinstance(r, list) else p == r for p, r in zip(predictions, references)]\n"
        'return {"any_of": sum(hits) / len(hits), "lists": sum(isinstance(r, list) for r in references)}',
        features=(
            "[datasets.Features({'predictions': TEXT, 'references': MANY}), "
            "datasets.Features({'predictions': TEXT, 'references': TEXT})]"
        ),
    )


def sourced(folder: Path) -> str:
    """Needs the source beside prediction and reference, as COMET does."""
    return make(
        folder,
        "sourced",
        'return {"copied": [float(p == s) for p, s in zip(predictions, sources)]}',
        features="datasets.Features({'sources': TEXT, 'predictions': TEXT, 'references': TEXT})",
        arguments="sources, predictions, references",
    )


def length(folder: Path) -> str:
    """A measurement: of texts alone."""
    return make(
        folder,
        "length",
        'return {"average_length": sum(map(len, data)) / len(data)}',
        features="datasets.Features({'data': TEXT})",
        arguments="data",
    )


def drawn(folder: Path) -> str:
    """Draws at random, as a bootstrap does."""
    return make(folder, "drawn", 'import numpy\nreturn {"drawn": float(numpy.random.rand())}')
