"""What each sample is shown: its question looked up in a knowledge base, or in passages of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from evalkit.datasets.base import MISSING, column
from evalkit.errors import DatasetError, did_you_mean
from evalkit.records import Sample, text_of
from evalkit.retrieval.base import Index, Passage, Query, Retriever
from evalkit.retrieval.chunks import Chunks
from evalkit.retrieval.knowledge import Columns, Knowledge, named, passages_of

QUESTION = "question"
PASSAGES, RETRIEVED, RELEVANT = "passages", "retrieved", "relevant"


@dataclass(frozen=True)
class Retrieved:
    """Samples with what was found for them, facts for the report, and what the user should hear."""

    samples: tuple[Sample, ...]
    facts: Mapping[str, Any]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Lookup:
    """Finds passages for samples: in `knowledge`, or in the passages that the column `own` of each holds.

    `query` names the input field that is looked up (`question`, or the only one), `relevant` the column with
    the ids of the right documents (`relevant`, where there is one). Samples get `added`: `passages`, the
    texts, and `retrieved`, the ids of their documents, both best first; and `relevant`, the ids of the right
    ones, none where the data does not tell.
    """

    retriever: Retriever
    k: int
    knowledge: Knowledge | None = None
    own: str | None = None
    columns: Columns = field(default_factory=Columns)
    query: str | None = None
    relevant: str | None = None
    chunks: Chunks | None = None

    def apply(self, samples: Sequence[Sample]) -> Retrieved:
        """Return the samples with their passages; DatasetError where a sample lacks what is needed."""
        relevant = [relevant_of(one, self.relevant) for one in samples]
        queries = [Query(self._query(one), ids) for one, ids in zip(samples, relevant, strict=True)]
        if self.own is None:
            passages, index = self._known
            found = [[passages[hit.place] for hit in hits] for hits in index.search(queries, self.k)]
            few = len(samples) if len(passages) < self.k else 0
        else:
            brought = [self._brought(one) for one in samples]
            found = [self._among(passages, query) for passages, query in zip(brought, queries, strict=True)]
            few = sum(len(passages) < self.k for passages in brought)
        shown = tuple(
            _with(sample, {PASSAGES: [one.text for one in some], RETRIEVED: [one.id for one in some]}, ids)
            for sample, some, ids in zip(samples, found, relevant, strict=True)
        )
        without = [sample.id for sample, some in zip(samples, found, strict=True) if not some]
        return Retrieved(shown, self._facts(without), self._notes(few, without))

    def _among(self, passages: Sequence[Passage], query: Query) -> list[Passage]:
        if not passages:
            return []
        return [passages[hit.place] for hit in self.retriever.index(passages).search([query], self.k)[0]]

    def _query(self, sample: Sample) -> str:
        alone = next(iter(sample.input)) if len(sample.input) == 1 else QUESTION
        name = self.query or alone
        if name not in sample.fields:
            near = did_you_mean(name, sample.fields)
            raise DatasetError(
                f'sample "{sample.id}" has no input field "{name}" to look up{near}; it has '
                f"{', '.join(sample.fields) or 'none'}: set retrieval.query=<field>"
            )
        return text_of(sample.fields[name])

    def _brought(self, sample: Sample) -> Sequence[Passage]:
        """Return the passages that a sample brings itself."""
        assert self.own is not None
        value = required(sample, self.own, "passages")
        objects = isinstance(value, (list, tuple)) and bool(value) and isinstance(value[0], Mapping)
        titles, ids = (
            None if name is None or objects else required(sample, name, setting)
            for name, setting in ((self.columns.title, "title"), (self.columns.id, "id"))
        )
        where = f'sample "{sample.id}", {self.own}'
        return self._cut(passages_of(value, titles, ids, self.columns, where))

    @cached_property
    def _known(self) -> tuple[Sequence[Passage], Index]:
        """The knowledge base, indexed once."""
        assert self.knowledge is not None
        passages = self._cut(self.knowledge.documents)
        return passages, self.retriever.index(passages)

    def _cut(self, documents: Sequence[Passage]) -> Sequence[Passage]:
        return documents if self.chunks is None else tuple(self.chunks.cut(documents))

    def _facts(self, without: Sequence[str]) -> dict[str, Any]:
        facts: dict[str, Any] = {"signature": self.retriever.signature, "k": self.k}
        if self.chunks is not None:
            facts["signature"] += f"|{self.chunks.signature}"
        if self.knowledge is None:
            facts["column"] = self.own
        else:
            facts["knowledge"] = self.knowledge.name
            facts["fingerprint"] = self.knowledge.fingerprint
            facts["documents"] = len(self.knowledge.documents)
            facts["passages"] = len(self._known[0])
        facts["without"] = len(without)
        return facts

    def _notes(self, few: int, without: Sequence[str]) -> tuple[str, ...]:
        notes = list(() if self.knowledge is None else self.knowledge.notes)
        if few and self.knowledge is not None:
            notes.append(f"retrieval.k={self.k}: the knowledge base has {len(self._known[0])} passages")
        elif few:
            notes.append(f"retrieval.k={self.k}: {few} samples bring fewer passages")
        if without:
            notes.append(f"no passage was found for {len(without)} questions ({named(without)})")
        return tuple(notes)


def without_passages(samples: Sequence[Sample], relevant: str | None) -> tuple[Sample, ...]:
    """Return the samples as they are asked without passages: nothing is retrieved for them."""
    return tuple(_with(sample, {RETRIEVED: []}, relevant_of(sample, relevant)) for sample in samples)


def relevant_of(sample: Sample, path: str | None) -> tuple[str, ...]:
    """Return the ids of the right documents; none where the data does not tell."""
    if path is None and RELEVANT not in columns_of(sample):
        return ()
    value = required(sample, path or RELEVANT, RELEVANT)
    several = value if isinstance(value, (list, tuple)) else [] if value is None else [value]
    return tuple(dict.fromkeys(map(text_of, several)))


def columns_of(sample: Sample) -> dict[str, Any]:
    """Return a sample's columns: what it is asked with, and the rest."""
    return {**sample.metadata, **sample.fields}


def required(sample: Sample, path: str, setting: str) -> Any:
    """Return the value of a sample's column; DatasetError where there is none."""
    columns = columns_of(sample)
    value = column(columns, path)
    if value is MISSING:
        raise DatasetError(
            f'sample "{sample.id}" has no column "{path}"{did_you_mean(path, columns)}; it has '
            f"{', '.join(columns) or 'none'}: set retrieval.{setting}=<column>"
        )
    return value


def _with(sample: Sample, found: Mapping[str, Any], relevant: Sequence[str]) -> Sample:
    return replace(sample, added={**sample.added, **found, RELEVANT: list(relevant)})
