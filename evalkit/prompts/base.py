"""A prompt: a sample's fields, and the model's replies so far -> the next question."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from evalkit.errors import PromptError
from evalkit.prompts.content import history_in, images_in, schema_in, tools_in, with_images
from evalkit.prompts.templates import Fields, filled, part, template_of, to_json
from evalkit.prompts.turns import said
from evalkit.records import Message, Question, Sample, content_hash

if TYPE_CHECKING:
    from jinja2 import Template

ROLES = ("system", "developer", "user", "assistant")
FORMS = ("chat", "inline")
NO_ANSWER = "no_answer"
"""The variable that holds what a model shall answer where there is no answer."""
"""How examples are shown: as turns of user and assistant, or inside one user message."""


@dataclass(frozen=True)
class Prompt:
    """A system text, fixed messages in between, and a template of the last user message.

    Templates see the sample's fields and `variables` by name; never the target. `answer_schema` is the
    JSON schema that the answer shall follow: models that can enforce one are sent it. `examples` are solved
    samples, each `{"input": {field: value}, "answer": text}`, shown before the question: as turns of user and
    assistant, or inside the last user message with `cue` before every answer.

    The rest names fields of the sample: `history`, messages that go before the question (all there is to
    ask without a template); `images`, shown with it; `tools`, what the model may call (or their definitions
    themselves); `turns`, what the user says one after the other, the model's replies in between, each seen
    by the template as `turn` and counted by `turn_number` from 1. `answer_schema` may name a field too.
    """

    name: str
    template: str
    system: str | None = None
    messages: Sequence[Message] = ()
    variables: Mapping[str, Any] = field(default_factory=dict)
    answer_schema: Mapping[str, Any] | str | None = None
    examples: Sequence[Mapping[str, Any]] = ()
    cue: str | None = None
    history: str | None = None
    images: str | Sequence[str] | Mapping[str, Any] | None = None
    tools: str | Sequence[Mapping[str, Any]] | None = None
    turns: str | None = None

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
            "answer_schema": _plain(self.answer_schema),
        }
        # Absent where unused, so that a prompt keeps the hash that it had before there were such things.
        if self.examples:
            source["examples"] = [dict(example) for example in self.examples]
            source["cue"] = self.cue
        for name in ("history", "images", "tools", "turns"):
            value = getattr(self, name)
            if value is not None:
                source[name] = _plain(value)
        return source

    def ask(self, sample: Sample, replies: Sequence[str] = ()) -> Question | None:
        """Return the question after these replies; None when the conversation is over.

        PromptError when a template needs a field that the sample lacks, or a field holds no such thing.
        """
        users = self._said(sample, replies)
        if len(users) <= len(replies):
            return None
        return Question(
            self._messages(sample, users, replies),
            schema_in(self.answer_schema, sample, self.name),
            tools_in(self.tools, sample, self.name),
            turn=len(replies),
        )

    def render(self, sample: Sample, replies: Sequence[str] = ()) -> tuple[Message, ...]:
        """Return the messages of the question after these replies."""
        return self._messages(sample, self._said(sample, replies), replies)

    def _said(self, sample: Sample, replies: Sequence[str]) -> list[str | None]:
        """Return what the user says up to now; without turns one thing, which is the template's."""
        return [None] if self.turns is None else [*said(self.turns, sample, replies, self.name)]

    def _messages(
        self, sample: Sample, users: Sequence[str | None], replies: Sequence[str]
    ) -> tuple[Message, ...]:
        messages = [*self._opening(sample, users[0])]
        for number, (turn, reply) in enumerate(zip(users[1:], replies, strict=False), start=2):
            messages.append({"role": "assistant", "content": reply})
            messages.append({"role": "user", "content": self.question(sample, turn, number)})
        return tuple(messages)

    def _opening(self, sample: Sample, turn: str | None) -> tuple[Message, ...]:
        """Return the messages up to the user's first."""
        names = self._named(sample)
        before = tuple(
            one
            if isinstance(one, dict)
            else {"role": role, "content": filled(one, names, sample.id, self.name)}
            for role, one in self._before
        )
        earlier = history_in(self.history, sample, self.name)
        if not self.template and self.history is not None:
            return (*before, *self._examples, *earlier)
        question = self.question(sample, turn)
        pictures = images_in(self.images, sample, self.name)
        if self.cue is not None and self.examples:
            parts = [
                part for asked, answer in self._solved for part in (asked, f"{self.cue} {answer}".strip())
            ]
            question = "\n\n".join((*parts, question, self.cue)).rstrip()
            return (*before, *earlier, {"role": "user", "content": with_images(question, pictures)})
        last = {"role": "user", "content": with_images(question, pictures)}
        return (*before, *self._examples, *earlier, last)

    def question(self, sample: Sample, turn: str | None = None, number: int = 1) -> str:
        """Return what the template makes of a sample (and a turn), without what stands before it."""
        if turn is None and self.turns is not None:
            turn = said(self.turns, sample, (), self.name)[0]
        names = self._named(sample)
        if turn is not None:
            names |= {"turn": turn, "turn_number": number}
        return filled(self._template, names, sample.id, self.name)

    def _named(self, sample: Sample) -> dict[str, Any]:
        """Return what a template sees."""
        return {**self.variables, **sample.fields}

    def answer(self, template: str | None, sample: Sample) -> str:
        """Return a solved sample's answer: its first reference, or what a template makes of it.

        The template sees the input fields, `target`, `reference` (the first) and `references`. Without one,
        an `answer_schema` with a single text property gives the JSON object that the model shall write.
        """
        if template is not None:
            known = {**self._named(sample), "target": sample.target, "references": list(sample.references)}
            if sample.references:
                known["reference"] = sample.references[0]
            return filled(template_of(template, "fewshot.answer", self.name), known, sample.id, self.name)
        if not sample.references:
            raise PromptError(
                f'example "{sample.id}" has no target to show as its answer: set dataset.target=<column> '
                "or fewshot.answer='…{{ field }}…'"
            )
        name = _text_property(self.answer_schema)
        first = sample.references[0]
        if sample.target == []:  # as the prompt says it
            first = str(self.variables.get(NO_ANSWER, first))
        return first if name is None else to_json({name: first})

    def with_examples(self, examples: Sequence[Mapping[str, Any]], cue: str | None = None) -> Prompt:
        """Return the prompt with these examples in place of the user and assistant turns it came with."""
        kept = [message for message in self.messages if message["role"] not in {"user", "assistant"}]
        return replace(self, messages=kept, examples=examples, cue=cue)

    @cached_property
    def _before(self) -> list[tuple[str, Template | Fields | dict[str, Any]]]:
        """Each message before the question by its role: a template, or all of it where it never changes."""
        parts = [("system", self.system)] if self.system else []
        parts += [(message["role"], message["content"]) for message in self.messages]
        made = [(role, part(text or "", role, self.name)) for role, text in parts]
        return [(role, {"role": role, "content": one} if isinstance(one, str) else one) for role, one in made]

    @cached_property
    def _template(self) -> Template | Fields:
        return template_of(self.template, "user", self.name)

    @cached_property
    def _solved(self) -> list[tuple[str, str]]:
        """Each example's question as the template asks it, and its answer."""
        return [
            (self.question(Sample(f"example {number}", example["input"])), example["answer"])
            for number, example in enumerate(self.examples, start=1)
        ]

    @property
    def _examples(self) -> tuple[Message, ...]:
        """The examples as turns of user and assistant."""
        return tuple(
            {"role": role, "content": text}
            for asked, answer in self._solved
            for role, text in (("user", asked), ("assistant", answer))
        )


def parts_of(source: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return what a prompt's `source` is made of, in the order of the messages, each text with its name."""
    parts = [("system", source["system"])] if source["system"] else []
    parts += [(message["role"], message["content"]) for message in source["messages"]]
    for number, example in enumerate(source.get("examples", ()), start=1):
        parts += [(f"example {number}", to_json(example["input"])), (f"answer {number}", example["answer"])]
    return [*parts, ("user", source["template"] or "")]


def _plain(value: Any) -> Any:
    """Return a mapping or sequence of a frozen record as plain data."""
    if isinstance(value, Mapping):
        return dict(value)
    return value if isinstance(value, str) or value is None else list(value)


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


def _text_property(schema: Mapping[str, Any] | str | None) -> str | None:
    """Return the name of the one property of a JSON schema, where there is one and it is a text."""
    properties = schema.get("properties") if isinstance(schema, Mapping) else None
    if not isinstance(properties, Mapping) or len(properties) != 1:
        return None
    name, kind = next(iter(properties.items()))
    return str(name) if isinstance(kind, Mapping) and kind.get("type") == "string" else None
