"""Tool calls: the right functions, the right arguments, arguments that a schema allows, and no call at all.

After the checks of the Berkeley Function-Calling Leaderboard (Patil et al. 2025, "AST evaluation"): a call
counts when its function is right, every argument is one of the acceptable ones, none is missing and none is
too much; several calls match in any order. Its possible answers can be given as they are.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from evalkit.errors import MetricError, PromptError
from evalkit.json_schema import is_number, problems, same
from evalkit.later import np
from evalkit.metrics.base import Metric, options_text
from evalkit.metrics.calls import ANY_OF, Call, calls_in, is_choice, is_optional, wanted_calls
from evalkit.metrics.pairing import best_pairs
from evalkit.metrics.text import check_choice
from evalkit.records import Generation, Sample
from evalkit.tools import definitions, schemas

if TYPE_CHECKING:
    from evalkit.metrics.base import FloatArray

TEXTS = ("fold", "exact", "bfcl")
NUMBERS = ("exact", "loose")
_BFCL_DROPS = re.compile(r"[ ,./\-_*^]")
_NUMBER = re.compile(r"\s*[+-]?\d{1,15}(\.\d{1,15})?\s*", re.ASCII)
WHOLE = 1e6  # more than all arguments of a sample: whole calls are paired first
NAME, EXACT, ARGUMENTS, VALID, CALLED, QUIET, UNCALLED, COUNT = range(8)
"""Places in a row of statistics: five values, of which two have counts of their own, and the count."""


Schemas = Mapping[str, Mapping[str, Any]]


class ToolCalls(Metric):
    """Five values in [0, 1] of the calls in an answer, each a mean over samples.

    - `call_name`: the functions called are those wanted, as often (1 or 0);
    - `call_exact`: the calls are those wanted, with all arguments (1 or 0);
    - `call_arguments`: F1 of arguments, over the best pairing of calls of the same function; a call without
      arguments counts as one;
    - `call_valid`: the share of a sample's calls that name a tool there is, with arguments that its JSON
      schema allows; over samples with calls, NaN where none was made;
    - `no_call`: 1 where nothing is called, over samples where no call is right; NaN where there are none.

    The target is a list of `{"name", "arguments"}` (or `{"calls": [...]}`, which can be empty; or JSON text
    of either), or a list of the leaderboard's `{name: {argument: [possible values]}}`. A wanted argument is a
    value, or `{"any_of": [values], "optional": true}`: an optional one may be left out, and without `any_of`
    any value will do.

    `texts` says how texts are compared: "fold" (width, case and white space do not count), "exact", or "bfcl"
    (nor do spaces and `,./-_*^`); `numbers` "loose" takes a number in quotes for the number. Calls match in
    any order unless `ordered`. With `defaults`, an argument that has the default of its schema counts as left
    out. `tools` names the sample's field with the definitions, or holds them; null leaves `call_valid` out.
    """

    names = ("call_name", "call_exact", "call_arguments", "call_valid", "no_call")

    def __init__(
        self,
        *,
        texts: str = "fold",
        numbers: str = "exact",
        ordered: bool = False,
        defaults: bool = True,
        tools: str | Sequence[Mapping[str, Any]] | None = "tools",
    ) -> None:
        check_choice("tool_calls", "texts", texts, TEXTS)
        check_choice("tool_calls", "numbers", numbers, NUMBERS)
        self.texts = texts
        self.numbers = numbers
        self.ordered = ordered
        self.defaults = defaults
        self.tools = tools if isinstance(tools, str) or tools is None else [dict(one) for one in tools]
        self._shared = None if isinstance(tools, str) or tools is None else schemas(definitions(tools))

    @property
    def signature(self) -> str:
        """For example `texts:fold|numbers:exact|order:any|defaults:yes|schemas:yes`."""
        return options_text(
            {
                "texts": self.texts,
                "numbers": self.numbers,
                "order": "same" if self.ordered else "any",
                "defaults": self.defaults,
                "schemas": self.tools is not None,
            }
        )

    @property
    def headline(self) -> tuple[str, ...]:
        """A gate looks at whole calls."""
        return ("call_exact",)

    def bind(self, samples: Sequence[Sample]) -> Self:
        """Check that every sample says which calls are right, and has tools that can be read."""
        for sample in samples:
            wanted_calls(sample)
            self._schemas(sample)
        return self

    def statistics(self, generations: Sequence[Generation], samples: Sequence[Sample]) -> FloatArray:
        """Return (n, 8): name, exact, F1; valid, its count; no call, its count; count."""
        rows = np.zeros((len(generations), COUNT + 1))
        for row, generation, sample in zip(rows, generations, samples, strict=True):
            self._fill(row, generation, sample)
        return rows

    def finish(self, sums: FloatArray) -> FloatArray:
        """Divide each sum by its count."""
        over = np.stack([sums[:, place] for place in (COUNT, COUNT, COUNT, CALLED, UNCALLED)], axis=1)
        values = sums[:, [NAME, EXACT, ARGUMENTS, VALID, QUIET]]
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(values / over, dtype=np.float64)

    def bounds(self, sample: Sample) -> tuple[FloatArray, FloatArray]:
        """All wrong with an invalid call, or all right with valid ones."""
        uncalled = float(not wanted_calls(sample))
        called = float(self.tools is not None)
        worst = np.array([0.0, 0.0, 0.0, 0.0, called, 0.0, uncalled, 1.0])
        best = np.array([1.0, 1.0, 1.0, called, called, uncalled, uncalled, 1.0])
        return worst, best

    def explain(self, generation: Generation, sample: Sample) -> str:
        """Show the calls made and wanted, and what their schemas say against them."""
        wanted = " and ".join(map(str, wanted_calls(sample))) or "no call"
        calls = calls_in(generation.prediction)
        if calls is None:
            return f"no calls ({generation.unparsed or 'the prediction is none'}), wanted {wanted}"
        said = f"called {' and '.join(map(str, calls)) or 'nothing'}, wanted {wanted}"
        against = [one for call in calls for one in self._against(call, self._schemas(sample))]
        return "; ".join([said, *against[:1]])

    def _fill(self, row: FloatArray, generation: Generation, sample: Sample) -> None:
        wanted, known = wanted_calls(sample), self._schemas(sample)
        calls = calls_in(generation.prediction)
        row[COUNT], row[UNCALLED] = 1.0, float(not wanted)
        if calls is None:  # something was called, and nobody can say what
            row[CALLED] = float(known is not None)
            return
        if not wanted:
            row[QUIET] = float(not calls)
        if calls and known is not None:
            valid = sum(not self._against(one, known) for one in calls)
            row[VALID], row[CALLED] = valid / len(calls), 1.0
        names = [one.name for one in calls], [one.name for one in wanted]
        row[NAME] = float(names[0] == names[1] if self.ordered else Counter(names[0]) == Counter(names[1]))
        row[EXACT], row[ARGUMENTS] = self._agreement(calls, wanted, known or {})

    def _agreement(
        self, calls: Sequence[Call], wanted: Sequence[Call], known: Schemas
    ) -> tuple[float, float]:
        """Return whether all calls are those wanted, and the F1 of their arguments."""
        if not calls and not wanted:
            return 1.0, 1.0
        pairs = {
            (place, column): self._compared(one, other, known)
            for place, one in enumerate(calls)
            for column, other in enumerate(wanted)
            if one.name == other.name and (place == column or not self.ordered)
        }
        weights = np.zeros((len(calls), len(wanted)))
        for at, found in pairs.items():
            weights[at] = 1 + found.right + WHOLE * found.whole
        chosen = [at for at in best_pairs(weights) if at in pairs]
        right = sum(pairs[at].right for at in chosen)
        made = sum(pairs[at].made for at in chosen)
        asked = sum(pairs[at].asked for at in chosen)
        alone = {*range(len(calls))} - {place for place, _ in chosen}
        made += sum(max(1, len(calls[place].arguments)) for place in alone)
        missed = {*range(len(wanted))} - {column for _, column in chosen}
        asked += sum(max(1, len(wanted[column].needed)) for column in missed)
        whole = not alone and not missed and all(pairs[at].whole for at in chosen)
        return float(whole), 2 * right / (made + asked)

    def _compared(self, call: Call, wanted: Call, known: Schemas) -> _Pair:
        """Count arguments: right ones, those made, those asked for; none on either side counts as one."""
        defaults = _defaults(known.get(call.name, {})) if self.defaults else {}
        given, target = call.arguments, wanted.arguments
        made = [
            name
            for name, value in given.items()
            if name in target or not (name in defaults and self._fits(value, defaults[name]))
        ]
        needed = wanted.needed
        asked = [
            name
            for name in target
            if name in given
            or (name in needed and not (name in defaults and self._fits(defaults[name], target[name])))
        ]
        right = sum(name in target and self._fits(given[name], target[name]) for name in made)
        return _Pair(right, len(made), len(asked)) if made or asked else _Pair(1, 1, 1)

    def _fits(self, value: Any, wanted: Any) -> bool:
        """Say whether a value is the wanted one, or one of its alternatives; inside lists and objects too."""
        if is_choice(wanted):
            return ANY_OF not in wanted or any(self._fits(value, one) for one in wanted[ANY_OF])
        if isinstance(wanted, Mapping):
            return (
                isinstance(value, Mapping)
                and set(value) <= set(wanted)
                and all(
                    self._fits(value[name], one) if name in value else is_optional(one)
                    for name, one in wanted.items()
                )
            )
        if isinstance(wanted, list):
            return (
                isinstance(value, list) and len(value) == len(wanted) and all(map(self._fits, value, wanted))
            )
        if self.numbers == "loose":
            value, wanted = _number_in(value, wanted), _number_in(wanted, value)
        if isinstance(value, str) and isinstance(wanted, str):
            return self._text(value) == self._text(wanted)
        return same(value, wanted)

    def _text(self, text: str) -> str:
        if self.texts == "exact":
            return text
        if self.texts == "bfcl":
            return _BFCL_DROPS.sub("", text).lower().replace("'", '"')
        return " ".join(unicodedata.normalize("NFKC", text).casefold().split())

    def _against(self, call: Call, known: Schemas | None) -> list[str]:
        """Return what the tool's schema says against a call; nothing without schemas."""
        if known is None:
            return []
        if call.name not in known:
            return [f"there is no tool {call.name}"]
        return [f"{call.name}: {one}" for one in problems(call.arguments, known[call.name])]

    def _schemas(self, sample: Sample) -> Schemas | None:
        """Return the schemas of a sample's tools by name; None where validity is left out."""
        if self.tools is None or self._shared is not None:
            return self._shared
        name = str(self.tools)
        if name not in sample.input and name not in sample.metadata:
            raise MetricError(
                f'tool_calls: sample "{sample.id}" has no field "{name}" with its tools; set '
                "metrics.tool_calls.tools=<field>, or null to leave call_valid out"
            )
        try:
            return schemas(definitions(sample.input.get(name, sample.metadata.get(name)) or []))
        except PromptError as error:
            raise MetricError(f'tool_calls: sample "{sample.id}": {error}') from None


@dataclass(frozen=True, slots=True)
class _Pair:
    """The arguments of a call and the wanted one of its function."""

    right: int
    made: int
    asked: int

    @property
    def whole(self) -> bool:
        return self.right == self.made == self.asked


def _defaults(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values that arguments have where they are left out."""
    described = schema.get("properties", {}).items()
    return {name: one["default"] for name, one in described if isinstance(one, Mapping) and "default" in one}


def _number_in(value: Any, other: Any) -> Any:
    """Return the number that a text is, where the other value is one."""
    if isinstance(value, str) and is_number(other) and _NUMBER.fullmatch(value):
        return float(value)
    return value
