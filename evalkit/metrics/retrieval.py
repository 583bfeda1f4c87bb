"""Ranking metrics of retrieved passages: whether what answers a question was found, and how far up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from evalkit.errors import MetricError, did_you_mean
from evalkit.later import np
from evalkit.metrics.base import Metric, options_text
from evalkit.metrics.text import check_choice, whole
from evalkit.records import Generation, Sample, text_of

if TYPE_CHECKING:
    from evalkit.metrics.base import FloatArray

DEFAULT_TYPES = ("recall", "mrr")
TYPES = ("recall", "precision", "hit", "mrr")
TARGET = "target"


class Retrieval(Metric):
    """recall@k, precision@k, hit@k and MRR in [0, 1] of a ranked list, averaged over samples.

    `retrieved` names the list, best first: what evalkit added to the sample under that name, else a column of
    its metadata or input. `relevant` names the ids that are right: a column, or "target". Elements are ids,
    or objects with an `id`; an id that comes twice counts where it comes first.
    recall@k: the share of the relevant ids among the first k (Manning et al. 2008, section 8.3);
    precision@k: the share of k places that hold a relevant id; hit@k: 1 when any does; mrr: 1 / the rank of
    the first relevant id in the whole list, 0 where there is none (Voorhees 1999).
    As in trec_eval, a sample without relevant ids is left out; an empty list scores 0. The model's answer has
    no part in it.
    """

    needs_target = False

    def __init__(
        self,
        *,
        retrieved: str = "retrieved",
        relevant: str = "relevant",
        k: Sequence[int] = (1, 5),
        types: Sequence[str] = DEFAULT_TYPES,
    ) -> None:
        self.retrieved, self.relevant = retrieved, relevant
        self.k = (k,) if isinstance(k, int) else tuple(k)
        self.types = (types,) if isinstance(types, str) else tuple(types)
        if not self.k or not all(map(whole, self.k)):
            raise MetricError(f"retrieval: k must be whole numbers of at least 1, not {list(self.k)}")
        for name in self.types:
            check_choice("retrieval", "types", name, TYPES)
        self.names = tuple(
            name
            for kind in self.types
            for name in ((kind,) if kind == "mrr" else tuple(f"{kind}@{k}" for k in self.k))
        )
        if not self.names or len(set(self.names)) < len(self.names):
            raise MetricError("retrieval: types and k must name at least one value and none twice")

    @property
    def signature(self) -> str:
        """For example `types:recall,mrr|k:1,5|retrieved:retrieved|relevant:target`."""
        k = ",".join(map(str, self.k))
        columns = {"retrieved": self.retrieved, "relevant": self.relevant}
        return options_text({"types": ",".join(self.types), "k": k, **columns})

    def statistics(
        self,
        generations: Sequence[Generation],  # noqa: ARG002
        samples: Sequence[Sample],
    ) -> FloatArray:
        """Return (n, names + 1): each value, count; a sample without relevant ids has zeros."""
        rows = np.zeros((len(samples), len(self.names) + 1))
        for row, sample in zip(rows, samples, strict=True):
            found, wanted = self._ids(sample)
            if wanted:
                row[:] = *self._values(found, wanted), 1.0
        return rows

    def finish(self, sums: FloatArray) -> FloatArray:
        """Divide each sum by the count; NaN where nothing was counted."""
        count = np.where(sums[:, -1:] > 0, sums[:, -1:], np.nan)
        return np.asarray(sums[:, :-1] / count, dtype=np.float64)

    def bounds(self, sample: Sample) -> tuple[FloatArray, FloatArray]:
        """What was retrieved is known whatever the model answered."""
        row = self.statistics([], [sample])[0]
        return row, row.copy()

    def explain(self, generation: Generation, sample: Sample) -> str:  # noqa: ARG002
        """For example `first of 1 relevant at rank 3 of 10`."""
        found, wanted = self._ids(sample)
        if not wanted:
            return "no relevant ids: left out"
        rank = next((place for place, one in enumerate(found, start=1) if one in wanted), None)
        where = f"first at rank {rank}" if rank else "none"
        return f"{len(wanted)} relevant, {where} of {len(found)} retrieved"

    def _values(self, found: Sequence[str], wanted: frozenset[str]) -> list[float]:
        right = [one in wanted for one in found]
        first = right.index(True) + 1 if any(right) else None
        values = []
        for kind in self.types:
            if kind == "mrr":
                values.append(1.0 / first if first else 0.0)
                continue
            for k in self.k:
                hits = sum(right[:k])
                among = {"recall": len(wanted), "precision": k, "hit": hits or 1}[kind]
                values.append(hits / among)
        return values

    def _ids(self, sample: Sample) -> tuple[list[str], frozenset[str]]:
        found = self._list(sample, self.retrieved, "retrieved")
        return list(dict.fromkeys(found)), frozenset(self._list(sample, self.relevant, "relevant"))

    def _list(self, sample: Sample, name: str, option: str) -> list[str]:
        columns: dict[str, Any] = {**sample.input, **sample.metadata, **sample.added}
        if option == "relevant" and name == TARGET:
            columns[TARGET] = sample.target
        if name not in columns:
            hint = " (or target)" if option == "relevant" else ""
            raise MetricError(
                f'retrieval: sample "{sample.id}" has no column "{name}"{did_you_mean(name, columns)}; name '
                f"the one with the {option} ids by metrics.retrieval.{option}=<column>{hint}"
            )
        value = columns[name]
        if value is None:
            return []
        listed = value if isinstance(value, list | tuple) else [value]
        return [_id_of(one, sample, name) for one in listed]


def _id_of(value: Any, sample: Sample, name: str) -> str:
    if isinstance(value, Mapping):
        if "id" not in value:
            raise MetricError(
                f'retrieval: sample "{sample.id}": an object of column "{name}" has no "id"; '
                f"it has {', '.join(map(str, value)) or 'nothing'}"
            )
        value = value["id"]
    return text_of(value)
