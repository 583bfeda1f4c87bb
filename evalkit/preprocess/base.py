"""Steps in order: a text in, a text or a list of texts out; and how they are named in signatures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from evalkit.errors import ConfigError

Value = str | list[str]


class Step:
    """One step: a text in, a text or a list of texts out. Options are keyword arguments of `__init__`."""

    name: ClassVar[str]
    of_lists: ClassVar[bool] = False
    """Whether it takes a whole list; any other step is applied to each text of one."""
    joint: ClassVar[str] = "\n"
    """What stands between the texts of the list that it gives, where a text is needed."""

    @property
    def details(self) -> tuple[str, ...]:
        """What its options come to, as the signature shows it; none for a step as it usually is."""
        return ()

    @property
    def gives_list(self) -> bool:
        """Whether it makes a list of a text."""
        return False

    @property
    def signature(self) -> str:
        """For example `lower`, `unicode:NFKC`, `truncate:512,tail`."""
        return ":".join((self.name, ",".join(self.details))) if self.details else self.name

    def __call__(self, value: Any) -> Value:
        """Return the next value."""
        raise NotImplementedError


class Pipeline:
    """Steps in order; `describe` is what the settings say, as plain data."""

    def __init__(
        self, steps: Sequence[Step], describe: Sequence[Any] = (), setting: str = "preprocess"
    ) -> None:
        self._steps = tuple(steps)
        self.describe = list(describe)
        self._joint = "\n"
        listed: Step | None = None
        for step in self._steps:
            if listed is not None and step.gives_list and not step.of_lists:
                raise ConfigError(
                    f"{setting}: {step.name} takes a text, and {listed.name} before it gives a list; "
                    "leave one of them out"
                )
            if step.gives_list and listed is None:
                listed, self._joint = step, step.joint

    @property
    def signature(self) -> str:
        """The steps in order, like `unicode:NFKC+truncate:512`."""
        return "+".join(step.signature for step in self._steps)

    def __call__(self, text: str) -> Value:
        """Return what the steps make of a text."""
        value: Value = text
        for step in self._steps:
            if isinstance(value, list) and not step.of_lists:
                value = [str(step(one)) for one in value]
            else:
                value = step(value)
        return value

    def text(self, text: str) -> str:
        """Return the same as one text: words with spaces between them, sentences as lines."""
        value = self(text)
        return value if isinstance(value, str) else self._joint.join(value)


def choice(step: str, option: str, value: Any, choices: Sequence[str]) -> str:
    """Return the value; ConfigError unless it is one of the choices."""
    if value not in choices:
        raise ConfigError(
            f"pre-processing step {step}: {option} is one of {', '.join(choices)}, not {value!r}"
        )
    return str(value)


def count(step: str, option: str, value: Any, least: int = 1) -> int:
    """Return the value; ConfigError unless it is a whole number of at least `least`."""
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise ConfigError(
            f"pre-processing step {step}: {option} is a whole number, at least {least}; got {value!r}"
        )
    return value
