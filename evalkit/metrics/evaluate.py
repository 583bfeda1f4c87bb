"""Any metric of Hugging Face's `evaluate`: of a folder or, by its name, of the hub.

It is a Python file that is run: see evalkit/evaluate_modules.py for where that may be.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from numbers import Real
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evalkit.errors import MetricError, did_you_mean
from evalkit.evaluate_modules import first_line, forget, is_place, loaded
from evalkit.later import np
from evalkit.metrics.base import MeanMetric, Metric, options_text
from evalkit.metrics.text import check_choice, references_of
from evalkit.records import Generation, Sample, content_hash

if TYPE_CHECKING:
    from evalkit.metrics.base import FloatArray

WHOLE, EACH = "whole", "each"
MODES = (WHOLE, EACH)
PREDICTIONS, REFERENCES = "predictions", "references"
# What modules call the texts where there are no references (measurements).
DATA = "data"
PROBES = 7
"""Pairs that a metric is tried with: a list of so many numbers holds one for each of them."""

_HASH = 12
_NUMBER = re.compile(r"[-+]?\d+")


class Evaluate(Metric):
    """A metric of `evaluate`, before it is bound: binding loads it and finds out what values it gives.

    `path` is a script or its folder (`./meteor`, `/metrics/mine.py`), or the name of a module of the hub
    (`meteor`, `somebody/theirs`; `revision` pins it). `kwargs` are passed to its `compute`, `inputs` maps
    further columns that it asks for to fields of the sample. `values` says which of its results are
    values, and may name them: [f1] or {f1: bertscore_f1}; by default all that are numbers.

    `mode`: with "whole" it sees all answers at once. Results that are lists, one number an answer, then
    make a mean with an interval; a single number is the value of the whole run, without interval, test or
    slices. With "each" it is asked for each answer alone (some milliseconds each), and the value is the mean.
    `maximum` is the best value of its scale. `script` and `labels` are found by binding.
    """

    needs_target = False  # whether it does, only the module knows

    def __init__(  # noqa: PLR0913 - keyword options of a config
        self,
        *,
        path: str,
        config_name: str | None = None,
        revision: str | None = None,
        mode: str = WHOLE,
        values: Sequence[str] | Mapping[str, str] | None = None,
        kwargs: Mapping[str, Any] | None = None,
        inputs: Mapping[str, str] | None = None,
        higher_is_better: bool = True,
        maximum: float = 1.0,
        script: str | None = None,
        labels: Sequence[str] | None = None,
    ) -> None:
        if not path:
            raise MetricError("evaluate: path is missing; give a folder (./meteor) or a name of the hub")
        check_choice("evaluate", "mode", mode, MODES)
        self.path, self.config_name, self.revision, self.mode = path, config_name, revision, mode
        self.values = _named(values)
        self.kwargs, self.inputs = dict(kwargs or {}), dict(inputs or {})
        # Of this module, not of every one that is wrapped.
        self.higher_is_better = higher_is_better  # type: ignore[misc]
        self.maximum = float(maximum)  # type: ignore[misc]
        self.script, self.labels = script, None if labels is None else tuple(labels)
        self.names = tuple(self.values.values()) if self.values else ("evaluate",)

    @property
    def title(self) -> str:
        """The module's own name, as messages and values begin."""
        return Path(self.path).stem if is_place(self.path) else self.path.rpartition("/")[2]

    @property
    def signature(self) -> str:
        """For example `evaluate:meteor|script:1c0f…|mode:whole|values:meteor|version:0.4.6`."""
        told: dict[str, Any] = {"evaluate": self.title, "script": (self.script or "unbound")[:_HASH]}
        told |= {} if self.revision is None else {"revision": self.revision}
        told |= {} if self.config_name is None else {"config": self.config_name}
        told |= {"mode": self.mode, "values": ",".join(self.values or ())}
        for name, one in (("kwargs", self.kwargs), ("inputs", self.inputs)):
            if one:
                told[name] = ",".join(f"{key}={_spelled(value)}" for key, value in sorted(one.items()))
        return options_text({**told, "version": version("evaluate")})

    def bind(self, samples: Sequence[Sample]) -> Any:
        """Load the module, try it on a few targets, and return what its results make of it."""
        module = _Module(self)
        bound = {**self.options, "script": module.script, "labels": _labels_of(module, samples)}
        tried = type(self)(**bound)
        pairs = [samples[n % len(samples)] for n in range(PROBES if self.mode == WHOLE else 1)]
        answers = [_as_answer(one) for one in pairs]
        results = module.compute(tried, answers, pairs)
        lists = {key for key, one in results.items() if _is_list(one, len(pairs))}
        numbers = {key for key, one in results.items() if _is_number(one)}
        if self.mode == EACH:
            lists, numbers = lists | numbers, set()
        chosen = self.values or self._usual(lists or numbers)
        for key in chosen:
            if key not in lists | numbers:
                near = did_you_mean(key, lists | numbers)
                raise MetricError(
                    f'evaluate: {self.title} gives no number or list of numbers "{key}"{near}; '
                    f"it gives {', '.join(sorted(lists | numbers)) or 'none'}"
                )
        if set(chosen) & lists and set(chosen) & numbers:
            raise MetricError(
                f"evaluate: of {', '.join(chosen)} some are lists, a number for each answer, and some single "
                "numbers; choose one kind with metrics.evaluate.values"
            )
        if not chosen:
            raise MetricError(f"evaluate: {self.title} gives no number but {', '.join(results) or 'nothing'}")
        cls = EvaluateMean if set(chosen) <= lists else EvaluateWhole
        return cls(**{**bound, "values": dict(chosen)})

    def statistics(self, generations: Sequence[Generation], samples: Sequence[Sample]) -> FloatArray:  # noqa: ARG002
        """There are none before it is bound."""
        raise MetricError("evaluate: what a module gives is found by bind(samples); bind the metric first")

    def _usual(self, keys: set[str]) -> dict[str, str]:
        title = self.title
        return {key: key if key.startswith(title) else f"{title}_{key}" for key in sorted(keys)}


class _Bound(Evaluate):
    """What both kinds share once the module's results are known."""

    at_once = True

    def bind(self, samples: Sequence[Sample]) -> Any:  # noqa: ARG002 - it is
        """Return itself: options hold what binding found."""
        return self

    def _rows(self, generations: Sequence[Generation], samples: Sequence[Sample]) -> FloatArray:
        """Return (n, values) numbers of the module, one row an answer; or (1, values) for all of them."""
        module = _Module(self)
        if self.mode == WHOLE:
            return _array(self, module.compute(self, generations, samples), len(generations))
        rows = [
            _array(self, module.compute(self, [one], [sample]), 1)
            for one, sample in zip(generations, samples, strict=True)
        ]
        return np.concatenate(rows)


class EvaluateMean(_Bound, MeanMetric):
    """The mean of what the module gives for each answer; the statistics are (value…, count)."""

    def statistics(self, generations: Sequence[Generation], samples: Sequence[Sample]) -> FloatArray:
        """Return (n, values + 1); an unparsed answer counts as the worst for every value."""
        rows = np.full((len(generations), len(self.names) + 1), self.worst)
        rows[:, -1] = 1.0
        parsed = [place for place, one in enumerate(generations) if one.text is not None]
        if parsed:
            found = self._rows([generations[place] for place in parsed], [samples[place] for place in parsed])
            rows[parsed, :-1] = found
        return rows


class EvaluateWhole(_Bound):
    """The module's value of all answers together, which says nothing of single ones.

    Every answer's statistics are (value…, samples, 1): the whole run gives the value back, a part of it none.
    """

    per_sample = False

    @property
    def headline(self) -> tuple[str, ...]:
        """None: without samples of its own there is no test, and nothing to gate by."""
        return ()

    def statistics(self, generations: Sequence[Generation], samples: Sequence[Sample]) -> FloatArray:
        """Return (n, values + 2), all rows the same; an unparsed answer is an empty text, or no label."""
        rows = np.ones((len(generations), len(self.names) + 2))
        if generations:
            rows[:, :-2] = self._rows(generations, samples)
            rows[:, -2] = len({one.sample_id for one in generations})
        return rows

    def combine(self, trials: FloatArray) -> FloatArray:
        """Trials have the same value."""
        return np.asarray(trials[0], dtype=np.float64)

    def aggregate(self, statistics: FloatArray, weights: FloatArray) -> FloatArray:
        """Return the values where every sample of the run counts once, else NaN."""
        weights = np.asarray(weights)
        values = np.full((len(weights), len(self.names)), np.nan)
        if len(statistics) and statistics[0, -2] == len(statistics):
            values[(weights == 1.0).all(axis=1)] = statistics[0, :-2]
        return values


class _Module:
    """A loaded module of `evaluate`, with what its columns take."""

    def __init__(self, options: Evaluate) -> None:
        self._module = loaded(options.path, options.config_name, options.revision)
        self.script = str(self._module._hash)  # noqa: SLF001 - of the script and what it imports beside it
        self._title = options.title
        if options.script is not None and options.script != self.script:
            raise MetricError(
                f"evaluate: the script of {self._title} is another one than this metric was bound to "
                f"({self.script[:_HASH]}, not {options.script[:_HASH]}); score again"
            )
        features = self._module.features
        self.forms = [dict(one) for one in (features if isinstance(features, list) else [features])]

    @property
    def takes_labels(self) -> bool:
        """Whether its predictions are whole numbers, which stand for labels."""
        return any(_kind(self._title, name, one)[0] == "label" for name, one in self.forms[0].items())

    def compute(
        self, options: Evaluate, generations: Sequence[Generation], samples: Sequence[Sample]
    ) -> Mapping[str, Any]:
        """Return the module's results for these answers; MetricError when it fails."""
        columns = self._columns(options, generations, samples)
        try:
            found = self._module.compute(**columns, **options.kwargs)
        except Exception as error:
            forget(options.config_name, options.revision)
            told = f"{type(error).__name__}: {first_line(error)}"
            raise MetricError(f"evaluate: {self._title} cannot score these answers ({told})") from error
        return found if isinstance(found, Mapping) else {self._title: found}

    def _columns(
        self, options: Evaluate, generations: Sequence[Generation], samples: Sequence[Sample]
    ) -> dict[str, list[Any]]:
        form = self._form(samples)
        columns: dict[str, list[Any]] = {}
        for name, feature in form.items():
            kind, listed = _kind(self._title, name, feature)
            if name in options.inputs:
                columns[name] = [self._field(one, options.inputs[name], name) for one in samples]
            elif name in {PREDICTIONS, DATA}:
                made = [_as(kind, one.text, options, one.sample_id) for one in generations]
                columns[name] = [[one] for one in made] if listed else made
            elif name == REFERENCES:
                columns[name] = [self._references(one, options, kind, listed=listed) for one in samples]
            else:
                raise MetricError(
                    f"evaluate: {self._title} asks for a column {name}; name the field that holds it: "
                    f"metrics.evaluate.inputs.{name}=<field>"
                )
        return columns

    def _form(self, samples: Sequence[Sample]) -> dict[str, Any]:
        """Return the columns that the module takes: of several forms the one for so many references."""
        several = any(len(one.references) > 1 for one in samples)
        fitting = [
            form
            for form in self.forms
            if REFERENCES not in form or _kind(self._title, REFERENCES, form[REFERENCES])[1] or not several
        ]
        if not fitting:
            found = next(one for one in samples if len(one.references) > 1)
            raise MetricError(
                f'evaluate: {self._title} takes one reference, and sample "{found.id}" has '
                f"{len(found.references)}; give one target a sample, or another metric"
            )
        listed = [
            one for one in fitting if REFERENCES in one and _kind(self._title, REFERENCES, one[REFERENCES])[1]
        ]
        return (
            (listed or fitting)[0]
            if several
            else (fitting[-1] if len(fitting) > 1 and listed else fitting[0])
        )

    def _references(self, sample: Sample, options: Evaluate, kind: str, *, listed: bool) -> Any:
        made = [_as(kind, one, options, sample.id) for one in references_of(sample, "evaluate")]
        return made if listed else made[0]

    def _field(self, sample: Sample, field: str, name: str) -> Any:
        known = {**sample.metadata, **sample.fields}
        if field not in known:
            raise MetricError(
                f'evaluate: sample "{sample.id}" has no field "{field}"{did_you_mean(field, known)} for the '
                f"column {name} of {self._title}"
            )
        return known[field]


def _kind(title: str, name: str, feature: Any) -> tuple[str, bool]:
    """Return what a column holds (text, label, number), and whether it holds lists of that."""
    listed = type(feature).__name__ in {"List", "LargeList", "Sequence"} or isinstance(feature, list)
    inner = feature
    if listed:
        inner = feature[0] if isinstance(feature, list) else feature.feature
    dtype = str(getattr(inner, "dtype", "")) if type(inner).__name__ == "Value" else ""
    for kind, begins in (
        ("text", ("string", "large_string")),
        ("label", ("int", "uint")),
        ("number", ("float",)),
    ):
        if dtype.startswith(begins):
            return kind, listed
    raise MetricError(
        f"evaluate: {title} takes {name} as {feature!r}; what can be given to it here are texts, labels and "
        "numbers, and lists of them"
    )


def _as(kind: str, text: str | None, options: Evaluate, sample: str) -> Any:
    """Return a text as a column takes it; None, an unparsed answer, as one that equals no reference."""
    if kind == "text":
        return "" if text is None else text.encode("utf-8", "replace").decode("utf-8")
    if kind == "label":
        labels = options.labels or ()
        if all(_NUMBER.fullmatch(one) for one in labels):
            known = {one: int(one) for one in labels}
        else:
            known = {one: place for place, one in enumerate(labels)}
        return known.get((text or "").strip(), max(known.values(), default=0) + 1)
    try:
        return float(text or "")
    except ValueError:
        raise MetricError(
            f'evaluate: {options.title} takes numbers, and sample "{sample}" has {text!r}; find the number '
            "by post-processing (regex)"
        ) from None


def _labels_of(module: _Module, samples: Sequence[Sample]) -> list[str] | None:
    if not module.takes_labels:
        return None
    return sorted({text.strip() for one in samples for text in one.references})


def _as_answer(sample: Sample) -> Generation:
    """Return the target as an answer, to try a module with."""
    from evalkit.records import Response

    text = sample.references[0] if sample.references else "text"
    return Generation(sample.id, 0, Response(text), text)


def _array(options: Evaluate, results: Mapping[str, Any], n: int) -> FloatArray:
    """Return (n, values), or (1, values) where the values are single numbers."""
    columns = []
    for key in options.values or ():
        found = results.get(key)
        listed = _is_list(found, n)
        if not listed and not _is_number(found):
            raise MetricError(f"evaluate: {options.title} gave no {key} for these answers, but {found!r}")
        columns.append(np.asarray(found if listed else [found], dtype=np.float64))
    made = np.stack(columns, axis=1)
    if isinstance(options, EvaluateMean) and not np.isfinite(made).all():
        raise MetricError(f"evaluate: {options.title} gave an answer a value that is no number (NaN)")
    return made


def _is_number(value: Any) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)


def _is_list(value: Any, n: int) -> bool:
    return isinstance(value, list | tuple | np.ndarray) and len(value) == n and all(map(_is_number, value))


def _named(values: Sequence[str] | Mapping[str, str] | None) -> dict[str, str] | None:
    """Return result -> name, in an order that does not depend on how they are stored."""
    if not values:
        return None
    keys = [values] if isinstance(values, str) else values
    pairs = values.items() if isinstance(values, Mapping) else zip(keys, keys, strict=True)
    return {str(key): str(name) for key, name in sorted(pairs)}


def _spelled(value: Any) -> str:
    text = value if isinstance(value, str) else repr(value)
    plain = re.fullmatch(r"[^|,=\n]{1,40}", text)
    return text if plain else content_hash(text)[:_HASH]
