"""A task: what is asked (dataset and prompt), how answers are read, and how they are scored."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from evalkit.datasets.base import Dataset
from evalkit.postprocess import Pipeline
from evalkit.prompts import Prompt
from evalkit.records import Sample
from evalkit.variations import Variation

if TYPE_CHECKING:
    from evalkit.metrics.base import Metric


@dataclass(frozen=True)
class Task:
    """Dataset + prompt + post-processing + metrics (by family name).

    `fewshot` says how the prompt's examples were chosen, `retrieval` how the samples' passages were found;
    None where there are none. With `vary`, each trial asks another form of the sample.
    """

    name: str
    dataset: Dataset
    prompt: Prompt
    postprocess: Pipeline
    metrics: Mapping[str, Metric]
    fewshot: Mapping[str, Any] | None = None
    retrieval: Mapping[str, Any] | None = None
    vary: Variation | None = None

    def asked(self, sample: Sample, trial: int) -> Sample:
        """Return the sample in the form that it is asked in at a trial."""
        return sample if self.vary is None else self.vary.apply(sample, trial)
