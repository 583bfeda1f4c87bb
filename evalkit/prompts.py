"""Prompt templates: a sample's fields -> chat messages, by Jinja2 in its sandbox."""

from __future__ import annotations

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
            if set(message) != {"role", "content"} or message["role"] not in ROLES:
                raise PromptError(
                    f"prompt {self.name}: a message needs `role` ({', '.join(ROLES)}) and `content`, "
                    f"got {dict(message)!r}"
                )

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
        try:
            return environment.from_string(text)
        except TemplateSyntaxError as error:
            raise PromptError(
                f"prompt {self.name}, {role} template, line {error.lineno}: {error.message}; "
                "write {{ field }} for a field and {% raw %}…{% endraw %} around literal braces"
            ) from None

    def _fill(self, template: Template, sample: Sample) -> str:
        from jinja2 import TemplateError, UndefinedError

        fields = {**self.variables, **sample.input}
        try:
            return template.render(fields)
        except UndefinedError as error:
            raise PromptError(
                f'prompt {self.name}, sample "{sample.id}": {error.message}; the sample has '
                f"{', '.join(sorted(fields)) or 'no fields'}: map it with dataset.input.<name>=<column>"
            ) from None
        except (TemplateError, TypeError, ValueError, ArithmeticError) as error:
            raise PromptError(f'prompt {self.name}, sample "{sample.id}": {error}') from None
