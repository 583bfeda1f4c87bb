"""Fields that pre-processing makes of a sample's own: added to it, so that the row and its hash stay."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from evalkit.errors import DatasetError, did_you_mean
from evalkit.preprocess.base import Pipeline
from evalkit.records import Sample
from evalkit.spool import Spool

SETTING = "dataset.preprocess"


@dataclass(frozen=True)
class Field:
    """What becomes of a field: the one it is made of (`source`), and the steps."""

    source: str
    steps: Pipeline

    def told(self, name: str) -> str:
        """Return the steps as reports show them, with the field that they begin with where it is another."""
        return self.steps.signature if self.source == name else f"{self.source}>{self.steps.signature}"


def with_fields(samples: Sequence[Sample], fields: Mapping[str, Field]) -> Sequence[Sample]:
    """Return the samples with these fields added; DatasetError for one that has no text to make it of."""
    return Spool(
        replace(one, added={**one.added, **{name: _made(one, name, field) for name, field in fields.items()}})
        for one in samples
    ).whole


def _made(sample: Sample, name: str, field: Field) -> Any:
    if field.source not in sample.input:
        raise DatasetError(
            f'{SETTING}.{name}: sample "{sample.id}" has no field "{field.source}"'
            f"{did_you_mean(field.source, sample.input)}; it has {', '.join(sample.input) or 'none'}"
        )
    value = sample.input[field.source]
    if isinstance(value, str):
        return field.steps(value)
    if isinstance(value, list) and all(isinstance(one, str) for one in value):
        return [field.steps(one) for one in value]
    raise DatasetError(
        f'{SETTING}.{name}: field "{field.source}" of sample "{sample.id}" is no text and no list of texts'
    )
