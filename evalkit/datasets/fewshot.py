"""Few-shot examples: the rows of a pool that are shown, solved, before the question."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from evalkit.datasets.base import Dataset
from evalkit.datasets.order import rank
from evalkit.errors import ConfigError, DatasetError
from evalkit.records import Sample, text_of

NAMED = 5


@dataclass(frozen=True)
class Shots:
    """How many examples, in the order of which seed, and whether every label gets equally many."""

    k: int
    seed: int = 0
    balanced: bool = False


def choose(
    pool: Dataset, evaluated: Sequence[Sample], question: Callable[[Sample], str], shots: Shots
) -> tuple[Sample, ...]:
    """Return `shots.k` samples of the pool, none of which asks what an evaluated sample asks.

    The order is that of SHA-256 over seed and id: independent of file format, row order and library version,
    and a larger k only adds examples. Samples are the same when their questions are, apart from case and
    white space, whatever their ids; a question that the pool holds twice is shown once.
    """
    wanted = _wanted(pool, shots)
    asked = {_folded(question(sample)) for sample in evaluated}
    overlapping = 0
    chosen: list[Sample] = []
    for sample in sorted(pool.samples, key=lambda one: rank(shots.seed, one.id)):
        if not wanted.total():
            break
        label = _label(sample, pool.name) if shots.balanced else None
        if not wanted[label]:
            continue
        text = _folded(question(sample))
        if text in asked:
            overlapping += 1
            continue
        asked.add(text)
        wanted[label] -= 1
        chosen.append(sample)
    if wanted.total():
        lacking = ", ".join(label for label, number in wanted.items() if number and label is not None)
        raise DatasetError(
            f"{pool.name}: fewshot.k={shots.k}, but only {len(chosen)} of {len(pool.samples)} rows can "
            f"serve{lacking and f' (too few of {lacking})'}: {overlapping} ask what an evaluated sample or "
            "another example asks; lower fewshot.k, or set fewshot.split or fewshot.path to other rows"
        )
    return tuple(chosen)


def _wanted(pool: Dataset, shots: Shots) -> Counter[str | None]:
    """How many examples are wanted of each label; of None where labels do not matter."""
    if not shots.balanced:
        return Counter({None: shots.k})
    labels = sorted({_label(sample, pool.name) for sample in pool.samples})
    if shots.k % len(labels):
        named = ", ".join(labels[:NAMED]) + (", …" if len(labels) > NAMED else "")
        raise ConfigError(
            f"fewshot.balanced=true: fewshot.k={shots.k} cannot be shared equally by the {len(labels)} "
            f"labels of {pool.name} ({named}); set fewshot.k to a multiple of {len(labels)}"
        )
    return Counter(dict.fromkeys(labels, shots.k // len(labels)))


def _label(sample: Sample, source: str) -> str:
    if sample.target is None or isinstance(sample.target, list | dict):
        raise ConfigError(
            f'fewshot.balanced=true: sample "{sample.id}" of {source} has no single label as its target; '
            "set dataset.target=<label column> or fewshot.balanced=false"
        )
    return text_of(sample.target)


def _folded(text: str) -> str:
    return " ".join(text.split()).casefold()
