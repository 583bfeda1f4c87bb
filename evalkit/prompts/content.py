"""What a sample's fields bring to a question: earlier messages, images, tools, a schema."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from evalkit.errors import PromptError
from evalkit.records import Message, Sample

SPEAKERS = ("system", "developer", "user", "assistant", "tool")


def field_of(name: str, setting: str, sample: Sample, prompt: str) -> Any:
    """Return a sample's field that a prompt's setting names; PromptError where it has none of that name."""
    try:
        return sample.fields[name]
    except KeyError:
        raise PromptError(
            f'prompt {prompt}, sample "{sample.id}": prompt.{setting}={name}, and the sample has '
            f"{', '.join(sorted(sample.fields)) or 'no fields'}: map it with dataset.input.{name}=<column>"
        ) from None


def history_in(name: str | None, sample: Sample, prompt: str) -> tuple[Message, ...]:
    """Return the messages that a field holds; none for null."""
    found = None if name is None else field_of(name, "history", sample, prompt)
    if found is None:
        return ()
    where = f'prompt {prompt}, sample "{sample.id}", {name}'
    if isinstance(found, str) or not isinstance(found, Sequence):
        raise PromptError(f"{where}: must be a list of messages, each with role and content; got {found!r}")
    for message in found:
        if not isinstance(message, Mapping) or message.get("role") not in SPEAKERS:
            raise PromptError(
                f"{where}: a message needs role ({', '.join(SPEAKERS)}) and content; got {message!r}"
            )
    return tuple(dict(message) for message in found)


def images_in(
    wanted: str | Sequence[str] | Mapping[str, Any] | None, sample: Sample, prompt: str
) -> list[dict[str, Any]]:
    """Return a sample's images as parts of a message; a field may hold one, several or null.

    `wanted` names the field or fields, or is `{"field": name or names, "detail": "low"}`.
    """
    names, detail = wanted, None
    if isinstance(wanted, Mapping):
        names, detail = wanted["field"], wanted.get("detail")
    found = []
    for name in [names] if isinstance(names, str) else names or ():
        value = field_of(name, "images", sample, prompt)
        where = f'prompt {prompt}, sample "{sample.id}", {name}'
        for one in value if isinstance(value, list) else [value]:
            if one is not None:
                image = {"url": _address(one, where)}
                found.append(
                    {"type": "image_url", "image_url": image | ({"detail": detail} if detail else {})}
                )
    return found


def with_images(text: str, images: Sequence[Mapping[str, Any]]) -> Any:
    """Return a message's content: the text, or parts where there are images."""
    return [{"type": "text", "text": text}, *images] if images else text


def _address(value: Any, where: str) -> str:
    """Return where an image is: its reference, without the name that a file has, or its URL."""
    from evalkit.images.reference import parse

    reference = parse(value)
    if reference is not None:
        return str(reference.nameless)
    if isinstance(value, str) and value.startswith(("http://", "https://", "data:")):
        return value
    raise PromptError(f"{where}: {value!r} is no image that was read, and no URL")


def tools_in(
    tools: str | Sequence[Mapping[str, Any]] | None, sample: Sample, prompt: str
) -> tuple[Mapping[str, Any], ...]:
    """Return the tools that may be called, as chat completions define them; other forms are rewritten."""
    named = isinstance(tools, str)
    found = field_of(tools, "tools", sample, prompt) if isinstance(tools, str) else tools
    if found is None:
        return ()
    from evalkit.tools import definitions

    where = f'prompt {prompt}, sample "{sample.id}", {tools}' if named else f"prompt {prompt}"
    try:
        return definitions(found)
    except PromptError as error:
        raise PromptError(f"{where}: {error}") from None


def schema_in(
    schema: str | Mapping[str, Any] | None, sample: Sample, prompt: str
) -> Mapping[str, Any] | None:
    """Return the JSON schema for a sample's answer; None for none."""
    if not isinstance(schema, str):
        return schema
    found = _parsed(field_of(schema, "answer_schema", sample, prompt))
    if found is not None and not isinstance(found, Mapping):
        raise PromptError(
            f'prompt {prompt}, sample "{sample.id}", {schema}: must be a JSON schema; got {found!r}'
        )
    return None if found is None else dict(found)


def _parsed(value: Any) -> Any:
    """Return a value that a column may hold as a JSON text."""
    if isinstance(value, str):
        try:
            return json.loads(value)
        except ValueError:
            return value
    return value
