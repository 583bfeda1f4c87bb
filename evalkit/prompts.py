"""Prompt templates: a sample's fields -> chat messages, by Jinja2 in its sandbox."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from evalkit.errors import PromptError
from evalkit.records import Message, Sample, content_hash

if TYPE_CHECKING:
    from jinja2 import Template

ROLES = ("system", "developer", "user", "assistant")


@dataclass(frozen=True)
class Prompt:
    """A system text, fixed messages in between, and a template of the last user message.

    Templates see the sample's input fields and `variables` by name; never the target. `answer_schema` is the
    JSON schema that the answer shall follow: models that can enforce one are sent it.
    """

    name: str
    template: str
    system: str | None = None
    messages: Sequence[Message] = ()
    variables: Mapping[str, Any] = field(default_factory=dict)
    answer_schema: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        for message in self.messages:
            if not _is_message(message):
                raise PromptError(
                    f"prompt {self.name}: a message needs `role` ({', '.join(ROLES)}) and `content`, a text; "
                    f"got {message!r}"
                )
        try:
            json.dumps(self.source, ensure_ascii=False, allow_nan=False).encode()
        except (TypeError, ValueError) as error:
            raise PromptError(
                f"prompt {self.name}: templates, variables and answer_schema must be plain JSON ({error})"
            ) from None

    @cached_property
    def sha256(self) -> str:
        """Hash of everything the templates are made of; the name stays out."""
        return content_hash(self.source)

    @property
    def source(self) -> dict[str, Any]:
        """The templates as plain data, for the report."""
        return {
            "system": self.system,
            "messages": [dict(message) for message in self.messages],
            "template": self.template,
            "variables": dict(self.variables),
            "answer_schema": None if self.answer_schema is None else dict(self.answer_schema),
        }

    def render(self, sample: Sample) -> tuple[Message, ...]:
        """Return the messages for a sample; PromptError when a template needs a field that it lacks."""
        return tuple(
            {"role": role, "content": self._fill(template, sample)} for role, template in self._templates
        )

    @cached_property
    def _templates(self) -> list[tuple[str, Template]]:
        parts = [("system", self.system)] if self.system else []
        parts += [(message["role"], message["content"]) for message in self.messages]
        parts.append(("user", self.template))
        return [(role, self._compile(role, text or "")) for role, text in parts]

    def _compile(self, role: str, text: str) -> Template:
        from jinja2 import StrictUndefined, TemplateSyntaxError
        from jinja2.sandbox import ImmutableSandboxedEnvironment

        # Undefined names are errors: a misspelt field must not become an empty prompt.
        environment = ImmutableSandboxedEnvironment(undefined=StrictUndefined, keep_trailing_newline=False)
        # A prompt is the same every time: its hash is in the report, and the cache finds the answer again.
        del environment.globals["lipsum"], environment.filters["random"]
        environment.filters["tojson"] = _to_json
        try:
            return environment.from_string(text)
        except TemplateSyntaxError as error:
            raise PromptError(
                f"prompt {self.name}, {role} template, line {error.lineno}: {error.message}; "
                "write {{ field }} for a field and {% raw %}…{% endraw %} around literal braces"
            ) from None
        except Exception as error:  # noqa: BLE001 - Python's own limits: nested blocks, a number too long
            raise PromptError(f"prompt {self.name}, {role} template: cannot be compiled ({error})") from None

    def _fill(self, template: Template, sample: Sample) -> str:
        from jinja2 import UndefinedError

        fields = {**self.variables, **sample.input}
        try:
            text = template.render(fields)
            text.encode()  # half of a surrogate pair could not be sent
        except UndefinedError as error:
            raise PromptError(
                f'prompt {self.name}, sample "{sample.id}": {error.message}; the sample has '
                f"{', '.join(sorted(fields)) or 'no fields'}: map it with dataset.input.<name>=<column>"
            ) from None
        except Exception as error:  # noqa: BLE001 - what a template calls may raise anything
            raise PromptError(
                f'prompt {self.name}, sample "{sample.id}": {type(error).__name__}: {error}; '
                "change the template"
            ) from None
        return text


def _to_json(value: Any, indent: int | None = None) -> str:
    """JSON as a model should read it; Jinja's own filter escapes `<` and every non-ASCII letter."""
    return json.dumps(value, ensure_ascii=False, indent=indent)


def _is_message(message: Any) -> bool:
    return (
        isinstance(message, Mapping)
        and set(message) == {"role", "content"}
        and message["role"] in ROLES
        and isinstance(message["content"], str)
    )
