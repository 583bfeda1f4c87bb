"""What a step is, and steps in order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from evalkit.records import Response, Sample


class Unparsed(Exception):  # noqa: N818 - a finding about an answer, not an error of the program
    """The output has no prediction in it; the message says what was looked for."""


@dataclass(frozen=True, slots=True)
class Context:
    """What else there is to know of an output: the whole response, and the sample as it was asked."""

    response: Response
    sample: Sample
    trial: int = 0


class Step:
    """One step: text (or what the step before left) in, text or value out."""

    name: ClassVar[str]
    needs_context: ClassVar[bool] = False
    """Whether the text alone does not do: such a step defines `read`."""
    reads_refusals: ClassVar[bool] = False
    """Whether a refusal that the server marks as one is handed to it; else there is nothing to read in it."""

    needs_logprobs: bool = False
    """Whether it reads log-probabilities, which the model must be asked for."""

    def __call__(self, value: Any) -> Any:
        """Return the next value; raise Unparsed when the output does not hold one."""
        raise NotImplementedError

    def read(self, value: Any, context: Context) -> Any:  # noqa: ARG002 - most steps look at the text alone
        """Return the next value, by what else there is to know of the output."""
        return self(value)


class Pipeline:
    """Steps in order; `describe` is what the report shows."""

    def __init__(self, steps: Sequence[Step], describe: Sequence[Any] = ()) -> None:
        self._steps = tuple(steps)
        self.describe = list(describe)

    @property
    def labels(self) -> tuple[str, ...] | None:
        """The only predictions there can be, where the last step maps to labels; else None."""
        last = self._steps[-1] if self._steps else None
        labels: tuple[str, ...] | None = getattr(last, "labels", None)
        return labels

    @property
    def needs_context(self) -> bool:
        """Whether some step looks at more than the text."""
        return any(getattr(step, "needs_context", False) for step in self._steps)

    @property
    def reads_refusals(self) -> bool:
        """Whether some step makes a prediction of a refusal that the server marks as one."""
        return any(getattr(step, "reads_refusals", False) for step in self._steps)

    @property
    def needs_logprobs(self) -> str | None:
        """The name of a step that reads log-probabilities; None where no step does."""
        return next((step.name for step in self._steps if getattr(step, "needs_logprobs", False)), None)

    def __call__(self, text: str, context: Context | None = None) -> Any:
        """Return the prediction; raise Unparsed with the step's name and reason.

        Without a context the steps see the text alone.
        """
        value: Any = text
        for step in self._steps:
            # A third party's step need not know of contexts.
            read = getattr(step, "read", None) if context is not None else None
            try:
                value = step(value) if read is None else read(value, context)
            except Unparsed as reason:
                raise Unparsed(f"{step.name}: {reason}") from None
        return value
