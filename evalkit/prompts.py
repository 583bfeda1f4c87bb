"""Prompt templates: a sample's fields -> chat messages, by Jinja2 in its sandbox."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from evalkit.errors import PromptError
from evalkit.records import Message, Sample, content_hash

if TYPE_CHECKING:
    from jinja2 import Template

ROLES = ("system", "developer", "user", "assistant")
FORMS = ("chat", "inline")
"""How examples are shown: as turns of user and assistant, or inside one user message."""


@dataclass(frozen=True)
class Prompt:
    """A system text, fixed messages in between, and a template of the last user message.

    Templates see the sample's input fields and `variables` by name; never the target. `answer_schema` is the
    JSON schema that the answer shall follow: models that can enforce one are sent it. `examples` are solved
    samples, each `{"input": {field: value}, "answer": text}`, shown before the question: as turns of user and
    assistant, or inside the last user message with `cue` before every answer.
    """

    name: str
    template: str
    system: str | None = None
    messages: Sequence[Message] = ()
    variables: Mapping[str, Any] = field(default_factory=dict)
    answer_schema: Mapping[str, Any] | None = None
    examples: Sequence[Mapping[str, Any]] = ()
    cue: str | None = None

    def __post_init__(self) -> None:
        for message in self.messages:
            if not _is_message(message):
                raise PromptError(
                    f"prompt {self.name}: a message needs `role` ({', '.join(ROLES)}) and `content`, a text; "
                    f"got {message!r}"
                )
        for example in self.examples:
            if not _is_example(example):
                raise PromptError(
                    f"prompt {self.name}: an example needs `input`, its fields, and `answer`, a text; "
                    f"got {example!r}"
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
        source = {
            "system": self.system,
            "messages": [dict(message) for message in self.messages],
            "template": self.template,
            "variables": dict(self.variables),
            "answer_schema": None if self.answer_schema is None else dict(self.answer_schema),
        }
        # Absent without examples, so that prompts keep the hash they had before there were any.
        if self.examples:
            source["examples"] = [dict(example) for example in self.examples]
            source["cue"] = self.cue
        return source

    def render(self, sample: Sample) -> tuple[Message, ...]:
        """Return the messages for a sample; PromptError when a template needs a field that it lacks."""
        before = tuple(
            {"role": role, "content": self._fill(template, sample)} for role, template in self._before
        )
        question = self.question(sample)
        if self.cue is not None and self.examples:
            parts = [
                part for asked, answer in self._solved for part in (asked, f"{self.cue} {answer}".strip())
            ]
            inline = "\n\n".join((*parts, question, self.cue)).rstrip()
            return (*before, {"role": "user", "content": inline})
        turns = (
            {"role": role, "content": text}
            for asked, answer in self._solved
            for role, text in (("user", asked), ("assistant", answer))
        )
        return (*before, *turns, {"role": "user", "content": question})

    def question(self, sample: Sample) -> str:
        """Return what the template makes of a sample, without what stands before it."""
        return self._fill(self._template, sample)

    def answer(self, template: str | None, sample: Sample) -> str:
        """Return a solved sample's answer: its first reference, or what a template makes of it.

        The template sees the input fields, `target`, `reference` (the first) and `references`. Without one,
        an `answer_schema` with a single text property gives the JSON object that the model shall write.
        """
        if template is not None:
            known = {**sample.input, "target": sample.target, "references": list(sample.references)}
            if sample.references:
                known["reference"] = sample.references[0]
            return self._fill(self._compile("fewshot.answer", template), replace(sample, input=known))
        if not sample.references:
            raise PromptError(
                f'example "{sample.id}" has no target to show as its answer: set dataset.target=<column> '
                "or fewshot.answer='…{{ field }}…'"
            )
        name = _text_property(self.answer_schema)
        first = sample.references[0]
        return first if name is None else _to_json({name: first})

    def with_examples(self, examples: Sequence[Mapping[str, Any]], cue: str | None = None) -> Prompt:
        """Return the prompt with these examples in place of the user and assistant turns it came with."""
        kept = [message for message in self.messages if message["role"] not in {"user", "assistant"}]
        return replace(self, messages=kept, examples=examples, cue=cue)

    @cached_property
    def _before(self) -> list[tuple[str, Template]]:
        parts = [("system", self.system)] if self.system else []
        parts += [(message["role"], message["content"]) for message in self.messages]
        return [(role, self._compile(role, text or "")) for role, text in parts]

    @cached_property
    def _template(self) -> Template:
        return self._compile("user", self.template)

    @cached_property
    def _solved(self) -> list[tuple[str, str]]:
        """Each example's question as the template asks it, and its answer."""
        return [
            (self.question(Sample(f"example {number}", example["input"])), example["answer"])
            for number, example in enumerate(self.examples, start=1)
        ]

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


def parts_of(source: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return what a prompt's `source` is made of, in the order of the messages, each text with its name."""
    parts = [("system", source["system"])] if source["system"] else []
    parts += [(message["role"], message["content"]) for message in source["messages"]]
    for number, example in enumerate(source.get("examples", ()), start=1):
        parts += [(f"example {number}", _to_json(example["input"])), (f"answer {number}", example["answer"])]
    return [*parts, ("user", source["template"])]


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


def _is_example(example: Any) -> bool:
    return (
        isinstance(example, Mapping)
        and set(example) == {"input", "answer"}
        and isinstance(example["input"], Mapping)
        and isinstance(example["answer"], str)
    )


def _text_property(schema: Mapping[str, Any] | None) -> str | None:
    """Return the name of the one property of a JSON schema, where there is one and it is a text."""
    properties = (schema or {}).get("properties")
    if not isinstance(properties, Mapping) or len(properties) != 1:
        return None
    name, kind = next(iter(properties.items()))
    return str(name) if isinstance(kind, Mapping) and kind.get("type") == "string" else None
