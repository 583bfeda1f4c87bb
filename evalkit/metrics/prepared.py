"""A metric whose texts go through pre-processing first: predictions and references alike.

`metrics.<family>.preprocess=[…]` makes one of any metric. It is a subclass of the metric's own class, so that
it is tested and shown as what it is: a mean, a corpus score, a score of labels.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Self, cast

from evalkit.errors import ConfigError
from evalkit.metrics.base import Metric
from evalkit.plugins import construct, plugin, takes
from evalkit.preprocess.base import Pipeline
from evalkit.preprocess.steps import build
from evalkit.records import Generation, Sample, text_of

if TYPE_CHECKING:
    from evalkit.metrics.base import FloatArray

OPTION = "preprocess"
# What scoring calls; a class without these would fail in the middle of a run.
NEEDED = ("bind", "statistics", "combine", "aggregate")


def metric_from(target: Any, options: Mapping[str, Any], setting: str) -> Metric:
    """Return the metric of a class and its options, `preprocess` among them; ConfigError by setting."""
    cls = plugin(target, setting, NEEDED)
    steps = options.get(OPTION)
    if OPTION in takes(cls):
        return cast("Metric", construct(cls, options, setting))
    own = {name: value for name, value in options.items() if name != OPTION}
    metric: Metric = construct(cls, own, setting)
    if steps is None or steps == []:
        return metric
    if not isinstance(metric, Metric):
        raise ConfigError(f"{setting}.{OPTION}: {cls.__name__} is no subclass of evalkit's Metric")
    return prepared(metric, build(steps, f"{setting}.{OPTION}"))


def prepared(metric: Metric, steps: Pipeline) -> Metric:
    """Return the metric with its texts going through these steps first."""
    made = copy.copy(metric)
    made.__class__ = _prepared_class(type(metric))
    cast("Prepared", made).preparation = steps
    return made


def options_of(metric: Metric) -> dict[str, Any]:
    """Return what `metric_from` makes the metric of, beside its class: the steps are one more option."""
    return (
        {**metric.options, OPTION: metric.preparation.describe}
        if isinstance(metric, Prepared)
        else metric.options
    )


class Prepared(Metric):
    """What is put in front of a metric's own class; made by `prepared`."""

    preparation: Pipeline
    # Steps may be anybody's, and read files.
    rows_from_texts = False

    @property
    def signature(self) -> str:
        """The metric's, with `pre:` and the steps before the library's version."""
        parts = super().signature.split("|")
        place = next((n for n, part in enumerate(parts) if part.startswith("version:")), len(parts))
        return "|".join(
            part for part in (*parts[:place], f"pre:{self.preparation.signature}", *parts[place:]) if part
        )

    def bind(self, samples: Sequence[Sample]) -> Self:
        """Bind to the samples' texts as they are scored."""
        bound: Metric = super().bind([self._sample(one) for one in samples])
        # A class may bind to another one, which knows of no steps.
        return cast("Self", bound if isinstance(bound, Prepared) else prepared(bound, self.preparation))

    def statistics(self, generations: Sequence[Generation], samples: Sequence[Sample]) -> FloatArray:
        """Score the texts that the steps make of predictions and references."""
        made = [self._generation(one) for one in generations]
        return super().statistics(made, [self._sample(one) for one in samples])

    def bounds(self, sample: Sample) -> tuple[FloatArray, FloatArray] | None:
        """As for the sample that is scored."""
        return super().bounds(self._sample(sample))

    def explain(self, generation: Generation, sample: Sample) -> str | None:
        """Explain what was scored."""
        return super().explain(self._generation(generation), self._sample(sample))

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle as the metric's own class and its state: the class in between is made anew."""
        return _restored, (type(self).__mro__[2],), dict(vars(self))

    def _generation(self, one: Generation) -> Generation:
        earlier = tuple(map(self._text, one.earlier_predictions))
        return replace(one, prediction=self._text(one.prediction), earlier_predictions=earlier)

    def _sample(self, one: Sample) -> Sample:
        target = one.target
        if isinstance(target, Sequence) and not isinstance(target, str):
            return replace(one, target=[self._text(reference) for reference in target])
        return replace(one, target=self._text(target))

    def _text(self, value: Any) -> Any:
        """Return what the steps make of a text or a number; of anything structured nothing."""
        if value is None or isinstance(value, Mapping | list | tuple):
            return value
        return self.preparation.text(text_of(value))


_classes: dict[type, type[Metric]] = {}


def _prepared_class(cls: type[Metric]) -> type[Metric]:
    """Return the subclass; reports name it as the class that it is made of, which its options rebuild."""
    if cls not in _classes:
        _classes[cls] = _subclass(cls)
    return _classes[cls]


def _subclass(cls: type[Metric]) -> type[Metric]:
    return type(
        cls.__name__, (Prepared, cls), {"__module__": cls.__module__, "__qualname__": cls.__qualname__}
    )


def _restored(cls: type[Metric]) -> Any:
    made = _prepared_class(cls)
    return made.__new__(made)
