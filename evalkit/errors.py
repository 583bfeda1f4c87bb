"""Every error that evalkit raises on purpose.

EvalkitError                  exit code
├── UsageError                2     the user's input is wrong: config, data, prompt, model, run id
│   ├── ConfigError                 a setting, a plugin or a YAML file
│   ├── DatasetError                a data file: names file, line, column and remedy
│   ├── PromptError                 a template that does not parse or misses a field
│   ├── ModelError                  a model that cannot be used: no key, no file, no package
│   ├── MetricError                 a metric that cannot score this data
│   ├── SchemaError                 a JSON schema that is malformed, or has a keyword not known here
│   ├── SandboxError                generated code cannot be run safely here
│   └── ReportError                 a run or report that is absent, damaged or too new
├── NoBaseline                3     a gate has nothing to compare with
├── CacheError                2     the cache file cannot be used
├── ReplayMiss                5     replay mode, and an answer is not in the cache
├── RunStopped                5     the run cannot go on; what was collected is kept
└── RequestError              -     one request failed; becomes a Failure, or RunStopped when fatal
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any


class EvalkitError(Exception):
    """Base of all; the message says what, where and what to do; `exit_code` is the process's."""

    exit_code = 2


class UsageError(EvalkitError):
    """The user's input is wrong."""


class ConfigError(UsageError):
    """A setting, a plugin or a YAML file is wrong."""


class DatasetError(UsageError):
    """A data file is absent, unreadable or malformed."""


class PromptError(UsageError):
    """A prompt template does not parse, or needs a field that a sample lacks."""


class ModelError(UsageError):
    """A model cannot be used: its key, file or package is missing."""


class MetricError(UsageError):
    """A metric cannot score this data."""


class SchemaError(UsageError):
    """A JSON schema is malformed, or has a keyword that would decide and is not known here."""


class SandboxError(UsageError):
    """Generated code cannot be run safely on this machine."""


class ReportError(UsageError):
    """A run or report is absent, damaged, or written by a newer version."""


class NoBaseline(EvalkitError):  # noqa: N818 - a state, not a defect
    """A gate has nothing to compare with: never a silent pass."""

    exit_code = 3


class CacheError(EvalkitError):
    """The cache file cannot be opened or written."""


class ReplayMiss(EvalkitError):  # noqa: N818 - the word that users know
    """Replay mode was asked for and an answer is not in the cache."""

    exit_code = 5


class RunStopped(EvalkitError):  # noqa: N818 - a state, not a defect
    """The run cannot go on (key refused, quota gone, model unknown); answers so far are kept."""

    exit_code = 5


@dataclass(eq=False)
class RequestError(EvalkitError):
    """One request failed.

    `kind` is a Failure kind; `retryable` says that asking again may help, `fatal` that asking anything
    else would fail alike; `retry_after` is the server's wish in seconds. `reached` is False when no
    connection came about, `charged` True when it may have been paid for though no answer came; `headers`
    are the server's x-ratelimit ones.
    """

    kind: str
    message: str
    retryable: bool = False
    fatal: bool = False
    retry_after: float | None = None
    reached: bool = True
    charged: bool = False
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)

    def __str__(self) -> str:
        return f"{self.kind}: {self.message}"

    def __reduce__(self) -> tuple[Any, ...]:
        # An exception is pickled by the arguments it was made with, and forgets those given by name.
        return type(self), tuple(getattr(self, one.name) for one in fields(self))


def did_you_mean(word: str, choices: Iterable[str]) -> str:
    """Return ` (did you mean "x"?)` for the nearest choice, or an empty string."""
    import difflib

    folded = {choice.casefold(): choice for choice in choices}
    near = difflib.get_close_matches(word.casefold(), folded, n=1, cutoff=0.6)
    return f' (did you mean "{folded[near[0]]}"?)' if near else ""
