"""Numeric match: 1 when the answer's final number equals a reference's, as GSM8K and MATH are scored."""

from __future__ import annotations

import re
from collections.abc import Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Self

from evalkit.errors import MetricError
from evalkit.metrics.base import MeanMetric, options_text
from evalkit.metrics.numbers import PERCENTS, announced_in, final_number, numbers_in, plain, spelled
from evalkit.metrics.text import all_references, check_choice, quoted, references_of
from evalkit.records import Generation, Sample

if TYPE_CHECKING:
    from evalkit.metrics.base import FloatArray

# What may stand beside a number without making it another answer: units, degrees, currency, LaTeX's brackets.
_BESIDE = re.compile(
    r"\\(?:text|mbox|mathrm)\s*\{[^{}]*\}|\^\s*\{?\\circ\}?|\\(?:left|right)|[$°%\s.]|\\[()\[\]]"
)
_SPELLINGS = (
    (re.compile(r"\\(?:left|right|displaystyle|,|!|;|:|quad|qquad)(?![A-Za-z])"), ""),
    (re.compile(r"\\[dtc]frac"), r"\\frac"),
    (re.compile(r"\\frac\s*(\d)\s*(\d)"), r"\\frac{\1}{\2}"),
    (re.compile(r"\\sqrt\s*(\w)"), r"\\sqrt{\1}"),
    (re.compile(r"(?<![\w}])(-?\w+)/(\w+)(?![\w{])"), r"\\frac{\1}{\2}"),
    (re.compile(r"\\(?:text|mbox|textbf|mathrm)\s*\{([^{}]*)\}"), r"\1"),
    (re.compile(r"\^\s*\{?\\circ\}?|\\[%$]|[$%°]|\\[()\[\]]"), ""),
    (re.compile(r"^\s*[A-Za-z]\w?\s*(?:=|\\in)\s*"), ""),
    (re.compile(r"\s+|\.+\s*$"), ""),
)


class NumericMatch(MeanMetric):
    r"""Share of answers in [0, 1] whose final number is a reference's, read in both by the same rules.

    The final number is the one after `####`, in the last `\boxed{…}`, after "the answer is", or the last of
    all (evalkit.metrics.numbers); 42, 42.0 and 42.00 are equal, and so are 0.5 and 1/2: values are exact
    fractions. Two numbers also match within `absolute`, or within `relative` times the reference. `percent`
    "fraction" reads 50% as 1/2, "ignore" as 50.

    `symbolic` is for answers that need not be numbers (MATH): what is announced as the answer, when it is no
    single number, is compared as a text, after LaTeX's spellings of the same thing are made one (in the
    manner of Hendrycks et al. 2021, arXiv 2103.03874; it is no computer algebra: x+1 is not 1+x).
    """

    names = ("numeric_match",)
    rows_from_texts = True

    def __init__(
        self,
        *,
        absolute: float = 0.0,
        relative: float = 0.0,
        percent: str = "ignore",
        symbolic: bool = False,
    ) -> None:
        if min(absolute, relative) < 0:
            raise MetricError("numeric_match: absolute and relative are tolerances, at least 0")
        check_choice("numeric_match", "percent", percent, PERCENTS)
        self.absolute, self.relative = absolute, relative
        self.percent, self.symbolic = percent, symbolic

    @property
    def signature(self) -> str:
        """For example `abs:0|rel:0|percent:ignore|symbolic:no`."""
        tolerances = {"abs": f"{self.absolute:g}", "rel": f"{self.relative:g}"}
        rest = {"percent": self.percent, "symbolic": self.symbolic}
        return options_text({**tolerances, **rest})

    def bind(self, samples: Sequence[Sample]) -> Self:
        """Check that every sample has a reference, and every reference a number (unless `symbolic`)."""
        all_references(samples, "numeric_match")
        for sample in samples:
            for reference in sample.references:
                if not self.symbolic and self._number(reference) is None:
                    raise MetricError(
                        f'numeric_match: the target of sample "{sample.id}" holds no number '
                        f"({quoted(reference, 40)}); repair it, or set metrics.numeric_match.symbolic=true"
                    )
        return self

    def statistics(self, generations: Sequence[Generation], samples: Sequence[Sample]) -> FloatArray:
        """Return (n, 2): match, count."""
        all_references(samples, "numeric_match")
        return super().statistics(generations, samples)

    def score(self, prediction: str, references: tuple[str, ...]) -> Sequence[float]:
        """1.0 when any reference matches."""
        answer = self._read(prediction)
        return (float(any(self._equal(answer, self._read(reference)) for reference in references)),)

    def explain(self, generation: Generation, sample: Sample) -> str:
        """Show what was read on both sides."""
        targets = " or ".join(_shown(self._read(one)) for one in references_of(sample, "numeric_match"))
        if generation.text is None:
            return f"no number ({generation.unparsed}), target {targets}"
        return f"read {_shown(self._read(generation.text))}, target {targets}"

    def _number(self, text: str) -> Fraction | None:
        return final_number(text, percent=self.percent)

    def _read(self, text: str) -> Fraction | str | None:
        if not self.symbolic:
            return self._number(text)
        text = plain(text)
        answer = announced_in(text)
        answer = text if answer is None else answer
        for one in (answer, latex(answer)):  # x = 5 is 5
            number = whole_number(one, self.percent)
            if number is not None:
                return number
        return latex(answer)

    def _equal(self, answer: Any, reference: Any) -> bool:
        if isinstance(answer, Fraction) and isinstance(reference, Fraction):
            allowed = max(Fraction(self.absolute), Fraction(self.relative) * abs(reference))
            return abs(answer - reference) <= allowed
        return answer is not None and type(answer) is type(reference) and bool(answer == reference)


def whole_number(text: str, percent: str = "ignore") -> Fraction | None:
    """Return the number that a text consists of, units and signs of LaTeX apart; None for anything else."""
    found = numbers_in(text, percent=percent)
    if len(found) != 1:
        return None
    rest = text[: found[0].start] + text[found[0].end :]
    return found[0].value if not _BESIDE.sub("", rest) else None


def latex(text: str) -> str:
    """Return one spelling of a LaTeX expression: no spaces, units or `x =`, fractions and roots in braces."""
    for pattern, other in _SPELLINGS:
        text = pattern.sub(other, text)
    return text


def _shown(read: Fraction | str | None) -> str:
    if read is None:
        return "no number"
    return spelled(read) if isinstance(read, Fraction) else quoted(read)
