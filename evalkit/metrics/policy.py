"""Policy adherence: whether a reply keeps the rules that hold for its case."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self

from evalkit.errors import MetricError
from evalkit.later import np
from evalkit.metrics.base import Metric, options_text
from evalkit.metrics.expectation import check_expectation, failed_checks, found_in, has_checks, member
from evalkit.records import Generation, Sample, text_of

if TYPE_CHECKING:
    from evalkit.metrics.base import FloatArray

NAME = "rule"


class Policy(Metric):
    """Share in [0, 1] of replies that keep every rule of their sample, and of all rules that are kept.

    `column` (in target, input or metadata; dots reach in) holds a sample's rules: a list of mappings, each
    with the checks that `turn_checks` knows and a name under `rule` for messages. `field` is where the
    reply stands in an answer that is an object; any other answer is the reply itself. A reply that is
    absent keeps no rule. Samples without rules are left out.
    """

    names = ("policy_adherence", "rules_kept")
    needs_target = False

    def __init__(self, *, column: str = "policy", field: str = "reply") -> None:
        self.column, self.field = column, field

    @property
    def headline(self) -> tuple[str, ...]:
        """Replies that keep all of their rules."""
        return self.names[:1]

    @property
    def signature(self) -> str:
        """For example `rules:policy|of:reply`."""
        return options_text({"rules": self.column, "of": self.field})

    def bind(self, samples: Sequence[Sample]) -> Self:
        """Check the rules."""
        if not sum(len(self._rules(sample)) for sample in samples):
            raise MetricError(
                f'policy: no sample has a rule in "{self.column}"; set metrics.policy.column=<column> to a '
                "list of checks, such as [{rule: asks for the number, contains_any: [order number]}]"
            )
        return self

    def statistics(self, generations: Sequence[Generation], samples: Sequence[Sample]) -> FloatArray:
        """Return (n, 4): all rules kept, samples with rules, rules kept, rules."""
        rows = np.zeros((len(generations), 4))
        for row, generation, sample in zip(rows, generations, samples, strict=True):
            rules = self._rules(sample)
            kept = sum(not self._why(generation, rule) for rule in rules)
            row[:] = bool(rules) and kept == len(rules), bool(rules), kept, len(rules)
        return rows

    def finish(self, sums: FloatArray) -> FloatArray:
        """Divide kept by all."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(sums[:, ::2] / sums[:, 1::2], dtype=np.float64)

    def bounds(self, sample: Sample) -> tuple[FloatArray, FloatArray]:
        """No rule kept, or every one."""
        n = float(len(self._rules(sample)))
        some = float(n > 0)
        return np.array([0.0, some, 0.0, n]), np.array([some, some, n, n])

    def explain(self, generation: Generation, sample: Sample) -> str:
        """For example `broken: no refund is promised (has 'refund')`."""
        broken = [
            f"{rule.get(NAME, 'a rule')} ({', '.join(why)})"
            for rule in self._rules(sample)
            if (why := self._why(generation, rule))
        ]
        return f"broken: {'; '.join(broken)}" if broken else "every rule is kept"

    def _why(self, generation: Generation, rule: Mapping[str, Any]) -> list[str]:
        answer = generation.prediction
        reply = member(answer, self.field) if isinstance(answer, Mapping) else answer
        if reply is None:
            return [f"no reply{'' if generation.unparsed is None else f': {generation.unparsed}'}"]
        return failed_checks(text_of(reply), {name: one for name, one in rule.items() if name != NAME})

    def _rules(self, sample: Sample) -> list[Mapping[str, Any]]:
        found = found_in(sample, self.column)
        rules = [found] if isinstance(found, Mapping) else found or []
        where = f'policy: sample "{sample.id}"'
        for rule in rules:
            bare = (
                {name: one for name, one in rule.items() if name != NAME} if isinstance(rule, Mapping) else {}
            )
            if not has_checks(bare):
                raise MetricError(f"{where}: a rule is a mapping with at least one check, not {rule!r}")
            check_expectation(bare, where)
        return list(rules)
