"""Constraints: which of the verifiable instructions an answer follows, as IFEval counts them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Self

from evalkit.errors import MetricError
from evalkit.later import np
from evalkit.metrics.base import Metric, options_text
from evalkit.metrics.constraints.table import Constraint, constraints_of, instruction_of
from evalkit.records import Generation, Sample

if TYPE_CHECKING:
    from evalkit.metrics.base import FloatArray


class Constraints(Metric):
    """Accuracy in [0, 1] of following verifiable constraints (IFEval, Zhou et al. 2023, arXiv 2311.07911).

    Prompt level: the share of samples whose constraints are all followed; instruction level: the share of all
    constraints that are. Strict looks at the answer as it is; loose also at the answer without its first
    line, its last, both, and each of these without asterisks, and takes the best for every constraint, as the
    reference does. An empty answer follows nothing.

    `column` names the column with a sample's constraints, a list of `{type: …, option: …}`; a sample without
    it is looked up in IFEval's own columns, `instructions` (ids) and `arguments` (one mapping each).
    """

    names = ("prompt_strict", "instruction_strict", "prompt_loose", "instruction_loose")
    needs_target = False

    def __init__(
        self,
        *,
        column: str = "constraints",
        instructions: str = "instruction_id_list",
        arguments: str = "kwargs",
    ) -> None:
        self.column, self.instructions, self.arguments = column, instructions, arguments

    @property
    def signature(self) -> str:
        """`rules:1`: the number changes whenever a constraint comes to mean something else."""
        return options_text({"rules": 1})

    @property
    def headline(self) -> tuple[str, ...]:
        """The strict ones."""
        return self.names[:2]

    def bind(self, samples: Sequence[Sample]) -> Self:
        """Check the constraints of every sample, before anything is asked."""
        for sample in samples:
            self.constraints(sample)
        return self

    def constraints(self, sample: Sample) -> Sequence[Constraint]:
        """Return a sample's constraints; MetricError where it has none, or one that is not known."""
        where = f'constraints: sample "{sample.id}"'
        own = _column(sample, self.column)
        if own is not None:
            found = constraints_of(own, where)
        else:
            names = _column(sample, self.instructions) or ()
            arguments = _column(sample, self.arguments)
            arguments = [None] * len(names) if arguments is None else arguments
            if len(arguments) != len(names):
                raise MetricError(f"{where}: {len(names)} instructions and {len(arguments)} {self.arguments}")
            found = [instruction_of(name, given, where) for name, given in zip(names, arguments, strict=True)]
        if not found:
            raise MetricError(
                f'{where} has no column "{self.column}" with a list of constraints, nor IFEval\'s '
                f'"{self.instructions}"; name one with metrics.constraints.column=<column>'
            )
        return found

    def statistics(self, generations: Sequence[Generation], samples: Sequence[Sample]) -> FloatArray:
        """Return (n, 6): followed strictly, loosely, constraints; all followed strictly, loosely, count."""
        rows = np.zeros((len(generations), 6))
        for row, generation, sample in zip(rows, generations, samples, strict=True):
            asked = self.constraints(sample)
            text = generation.text or ""
            strict = sum(one.broken(text) is None for one in asked)
            variants = loosened(text)
            loose = sum(any(one.broken(variant) is None for variant in variants) for one in asked)
            row[:] = strict, loose, len(asked), strict == len(asked), loose == len(asked), 1.0
        return rows

    def finish(self, sums: FloatArray) -> FloatArray:
        """Divide by the prompts, and by the constraints."""
        strict, loose, constraints, all_strict, all_loose, prompts = sums.T
        with np.errstate(divide="ignore", invalid="ignore"):
            values = (all_strict / prompts, strict / constraints, all_loose / prompts, loose / constraints)
        return np.stack(values, axis=1)

    def bounds(self, sample: Sample) -> tuple[FloatArray, FloatArray]:
        """None followed, or all of them."""
        n = float(len(self.constraints(sample)))
        return np.array([0.0, 0.0, n, 0.0, 0.0, 1.0]), np.array([n, n, n, 1.0, 1.0, 1.0])

    def explain(self, generation: Generation, sample: Sample) -> str:
        """For example `follows 1 of 2; words: 12, at least 20`."""
        asked = self.constraints(sample)
        if generation.text is None:
            return f"follows none of {len(asked)} ({generation.unparsed})"
        broken = [(one.name, one.broken(generation.text)) for one in asked]
        reasons = [f"{name}: {reason}" for name, reason in broken if reason is not None]
        return "; ".join([f"follows {len(asked) - len(reasons)} of {len(asked)}", *reasons])


def loosened(text: str) -> list[str]:
    """Return the eight texts that loose accuracy looks at, equal ones once, the text itself first."""
    lines = text.split("\n")
    cuts = [text, *("\n".join(part).strip() for part in (lines[1:], lines[:-1], lines[1:-1]))]
    return list(dict.fromkeys([*cuts, *(cut.replace("*", "") for cut in cuts)]))


def _column(sample: Sample, name: str) -> Any:
    return sample.metadata.get(name, sample.input.get(name))
