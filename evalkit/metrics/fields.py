"""Fields: how much of a structured answer is right, leaf by leaf, and whether it is valid at all."""

from __future__ import annotations

import json
import math
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, Any, NoReturn, Self

from evalkit.errors import MetricError
from evalkit.later import np
from evalkit.metrics.base import Metric, options_text
from evalkit.metrics.numbers import numbers_in, plain
from evalkit.metrics.schema import problem, schema_of
from evalkit.metrics.text import quoted, references_of
from evalkit.records import Generation, Sample, content_hash

if TYPE_CHECKING:
    from evalkit.metrics.base import FloatArray

Leaf = tuple[str, Any]
"""A path, places of lists left out (`items[].price`), and what stands there."""

_VALID, _MATCH, _FIELDS = ("json_valid", "schema_valid"), ("object_match",), ("f1", "precision", "recall")
_SHOWN = 4  # leaves named by an explanation


class Fields(Metric):
    """Validity, exact match and field-level precision, recall and F1 in [0, 1] of JSON answers.

    `json_valid`: there is an object (or list) to score. `schema_valid`: it follows the sample's JSON schema
    (`schema` names the input field or column that holds it, or is the schema itself; without one the name is
    left out). `fields_precision`, `fields_recall` and `fields_f1` are micro averages over leaf values: a leaf
    is right when the target has the same value at the same path; the order of a list does not count, so lists
    are multisets, and of lists of objects each field is one. F1 is 2 tp / (predicted + wanted).
    `object_match`: the whole value is the target's, lists again in any order; a mix-up between the objects of
    a list shows here and not in F1.

    `ignore_case` and `ignore_space` fold texts (NFKC always); `read_numbers` lets "1,200.00" equal 1200;
    `ignore_null` takes null, empty texts, lists and objects for what is not there, as a target from a table
    has them.
    """

    def __init__(
        self,
        *,
        schema: str | Mapping[str, Any] | None = None,
        ignore_case: bool = False,
        ignore_space: bool = True,
        read_numbers: bool = True,
        ignore_null: bool = True,
    ) -> None:
        self.schema = schema if isinstance(schema, (str, type(None))) else schema_of(schema, "fields: schema")
        self.ignore_case, self.ignore_space = ignore_case, ignore_space
        self.read_numbers, self.ignore_null = read_numbers, ignore_null
        valid = _VALID if schema is not None else _VALID[:1]
        self.names = (*(f"fields_{one}" for one in _FIELDS), *_MATCH, *valid)

    @property
    def rows_from_texts(self) -> bool:  # type: ignore[override]
        """Where no column of the sample has its schema."""
        return not isinstance(self.schema, str)

    @property
    def signature(self) -> str:
        """For example `avg:micro|case:mixed|space:ignored|numbers:read|null:absent|schema:by sample`."""
        options: dict[str, Any] = {
            "avg": "micro",
            "case": "lc" if self.ignore_case else "mixed",
            "space": "ignored" if self.ignore_space else "kept",
            "numbers": "read" if self.read_numbers else "typed",
            "null": "absent" if self.ignore_null else "value",
        }
        if self.schema is not None:
            fixed = isinstance(self.schema, Mapping)
            options["schema"] = content_hash(dict(self.schema))[:8] if fixed else "by sample"  # type: ignore[arg-type]
        return options_text(options)

    @property
    def headline(self) -> tuple[str, ...]:
        """F1 and exact match."""
        return ("fields_f1", *_MATCH)

    def bind(self, samples: Sequence[Sample]) -> Self:
        """Check every target, and every schema."""
        for sample in samples:
            self._target(sample)
            self._schema(sample)
        return self

    def statistics(self, generations: Sequence[Generation], samples: Sequence[Sample]) -> FloatArray:
        """Return (n, 7): right leaves, predicted, wanted; exact, JSON valid, schema valid; count."""
        rows = np.zeros((len(generations), 7))
        for row, generation, sample in zip(rows, generations, samples, strict=True):
            target = self._target(sample)
            wanted = self._leaves(target)
            answer = _structured(generation.prediction)
            predicted = self._leaves(answer)
            right = (wanted & predicted).total()
            row[:3] = right, predicted.total(), wanted.total()
            row[3] = answer is not None and self._canonical(answer) == self._canonical(target)
            row[4] = answer is not None
            row[5] = answer is not None and self.schema is not None and self._valid(answer, sample)
            row[6] = 1.0
        return rows

    def finish(self, sums: FloatArray) -> FloatArray:
        """Divide; with nothing predicted precision is 0, and with nothing wanted either all three are 1."""
        right, predicted, wanted, exact, json_valid, schema_valid, count = sums.T
        nothing = predicted + wanted == 0
        with np.errstate(divide="ignore", invalid="ignore"):
            precision = np.where(predicted > 0, right / predicted, nothing)
            recall = np.where(wanted > 0, right / wanted, nothing)
            f1 = np.where(nothing, 1.0, 2 * right / (predicted + wanted))
            values = [f1, precision, recall, exact / count, json_valid / count]
            if self.schema is not None:
                values.append(schema_valid / count)
        found = np.stack(values, axis=1)
        found[count == 0] = np.nan
        return found

    def bounds(self, sample: Sample) -> tuple[FloatArray, FloatArray]:
        """Nothing that can be read, or the target itself."""
        wanted = float(self._leaves(self._target(sample)).total())
        worst = np.array([0.0, 0.0, wanted, 0.0, 0.0, 0.0, 1.0])
        return worst, np.array([wanted, wanted, wanted, 1.0, 1.0, float(self.schema is not None), 1.0])

    def explain(self, generation: Generation, sample: Sample) -> str:
        """For example `3 of 4 fields right, 1 beside them; wrong: total: 12, not 21`."""
        answer = _structured(generation.prediction)
        if answer is None:
            return f"no JSON ({generation.unparsed or quoted(str(generation.text))})"
        wanted, predicted = self._leaves(self._target(sample)), self._leaves(answer)
        right, missing, extra = wanted & predicted, wanted - predicted, predicted - wanted
        parts = [f"{right.total()} of {wanted.total()} fields right, {extra.total()} others"]
        for name, leaves in (("lacks", missing), ("has", extra)):
            shown = [f"{path or 'the value'}: {_shown(value)}" for path, value in leaves.elements()]
            if shown:
                parts.append(f"{name} {', '.join(shown[:_SHOWN])}{', …' if len(shown) > _SHOWN else ''}")
        broken = None if self.schema is None else problem(answer, self._schema(sample))
        return "; ".join([*parts, *([f"schema: {broken}"] if broken else [])])

    def _valid(self, answer: Any, sample: Sample) -> bool:
        return problem(answer, self._schema(sample)) is None

    def _schema(self, sample: Sample) -> Any:
        if not isinstance(self.schema, str):
            return self.schema
        found = sample.input.get(self.schema, sample.metadata.get(self.schema))
        where = f'fields: sample "{sample.id}"'
        if found is None:
            raise MetricError(
                f'{where} has no column "{self.schema}" with a JSON schema; name it with '
                "metrics.fields.schema=<column>, or set it to null"
            )
        return schema_of(found, where)

    def _target(self, sample: Sample) -> Any:
        references_of(sample, "fields")
        target = _structured(sample.target)
        if target is None:
            raise MetricError(
                f'fields: the target of sample "{sample.id}" is no JSON object or list '
                f"({quoted(str(sample.target), 40)})"
            )
        return target

    def _leaves(self, value: Any) -> Counter[Leaf]:
        return Counter((path, self._folded(leaf)) for path, leaf in self._walk(value, ""))

    def _walk(self, value: Any, path: str) -> Iterator[Leaf]:
        if isinstance(value, Mapping) and value:
            for name, one in value.items():
                yield from self._walk(one, f"{path}.{name}" if path else str(name))
        elif isinstance(value, list) and value:
            for one in value:
                yield from self._walk(one, f"{path}[]")
        elif not (self.ignore_null and (value is None or (value != 0 and not value))):
            yield path, value

    def _canonical(self, value: Any) -> Any:
        """Return a hashable spelling of a whole value, lists as multisets; None for what is not there."""
        if isinstance(value, (Mapping, list)) and value:
            kind = "object" if isinstance(value, Mapping) else "list"
            parts = value.items() if isinstance(value, Mapping) else [("", one) for one in value]
            known = [(name, self._canonical(one)) for name, one in parts]
            kept = Counter(part for part in known if part[1] is not None)
            return (kind, frozenset(kept.items())) if kept else None
        leaves = [self._folded(leaf) for _, leaf in self._walk(value, "")]
        return leaves[0] if leaves else None

    def _folded(self, leaf: Any) -> Any:
        """Return a hashable spelling; numbers and truth values carry their kind, since True equals 1."""
        if isinstance(leaf, bool) or leaf is None:
            return json.dumps(leaf)
        if isinstance(leaf, (int, float)):
            # 1e999 is JSON, and infinite for Python.
            exact = Fraction(str(leaf)) if math.isfinite(leaf) else leaf
            return exact if self.read_numbers else ("number", exact)
        if not isinstance(leaf, str):
            return type(leaf).__name__
        text = unicodedata.normalize("NFKC", leaf)
        if self.read_numbers and (number := _number(text)) is not None:
            return number
        text = re.sub(r"\s+", " ", text).strip() if self.ignore_space else text
        return ("text", text.casefold() if self.ignore_case else text)


def _structured(value: Any) -> Any:
    """Return an object or a list, also of its JSON text; None for anything else."""
    if isinstance(value, str):
        try:
            value = json.loads(value, parse_constant=_refuse)
        except (ValueError, RecursionError):
            return None
    return value if isinstance(value, (Mapping, list)) else None


def _refuse(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


def _number(text: str) -> Fraction | None:
    """Return the number that a text is, and nothing else: no leading zeros, which codes and phones have."""
    if not re.fullmatch(r"\s*-?(?:0|[1-9][\d,]*)?(?:\.\d+)?\s*", text) or not text.strip():
        return None
    found = numbers_in(plain(text))
    return found[0].value if len(found) == 1 else None


def _shown(value: Any) -> str:
    if isinstance(value, tuple):
        return quoted(value[1], 40) if isinstance(value[1], str) else str(value[1])
    return str(value)
