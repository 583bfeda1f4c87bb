"""Templates by Jinja2 in its sandbox; what holds fields alone is filled without it, to the same text."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any, Self

from evalkit.choices import letter_filter
from evalkit.errors import PromptError

if TYPE_CHECKING:
    from jinja2 import Template
    from jinja2.sandbox import ImmutableSandboxedEnvironment

MARKS = ("{{", "{%", "{#")
_LINE_END = re.compile(r"\r\n|\r")
_FIELD = re.compile(r"\{\{ *([A-Za-z][A-Za-z0-9_]*) *\}\}")
# Words that are more than a name to Jinja2.
_RESERVED = {
    *("true", "false", "none", "True", "False", "None", "not", "and", "or", "if", "else", "in", "is"),
    *("self", "super", "loop", "caller"),
}


class Fields:
    """A template with nothing but `{{ field }}` in it.

    Texts are put in without Jinja2, which takes 15 ms to import; any other value, and none, is left to it.
    """

    def __init__(self, text: str, role: str, prompt: str) -> None:
        self._made_of = text, role, prompt
        # Texts and names in turn.
        self._texts = _FIELD.split(as_rendered(text))
        self._names = self._texts[1::2]

    @classmethod
    def of(cls, text: str, role: str, prompt: str) -> Self | None:
        """Return a template of fields; None for one that asks for more than that."""
        found = cls(text, role, prompt)
        between = found._texts[::2]
        # A brace before a field is read together with it.
        more = any(mark in one for one in between for mark in MARKS) or any(
            one.endswith("{") for one in between[:-1]
        )
        return None if more or not _RESERVED.isdisjoint(found._names) else found

    def render(self, names: Mapping[str, Any]) -> str:
        """Return what Jinja2 would make of the template, or raise what it would."""
        values = [names.get(name) for name in self._names]
        if any(type(value) is not str for value in values):
            return self._compiled.render(names)
        texts = self._texts.copy()
        texts[1::2] = values
        return "".join(texts)

    @cached_property
    def _compiled(self) -> Template:
        return compiled(*self._made_of)


def part(text: str, role: str, prompt: str) -> Template | Fields | str:
    """Return a template, or the text itself where nothing in it depends on the sample."""
    return template_of(text, role, prompt) if any(mark in text for mark in MARKS) else as_rendered(text)


def template_of(text: str, role: str, prompt: str) -> Template | Fields:
    """Return a template; PromptError names the prompt, the role and the line of a mistake."""
    return Fields.of(text, role, prompt) or compiled(text, role, prompt)


def as_rendered(text: str) -> str:
    """Return what Jinja makes of a text without any mark: one kind of line end, and none at the end."""
    return _LINE_END.sub("\n", text).removesuffix("\n")


def compiled(text: str, role: str, prompt: str) -> Template:
    """Return a template; PromptError names the prompt, the role and the line of a mistake."""
    from jinja2 import TemplateSyntaxError

    try:
        made = _environment().from_string(text)
    except TemplateSyntaxError as error:
        raise PromptError(
            f"prompt {prompt}, {role} template, line {error.lineno}: {error.message}; "
            "write {{ field }} for a field and {% raw %}…{% endraw %} around literal braces"
        ) from None
    except Exception as error:  # noqa: BLE001 - Python's own limits: nested blocks, a number too long
        raise PromptError(f"prompt {prompt}, {role} template: cannot be compiled ({error})") from None
    # Jinja's chain of two mappings is walked for every text that is made; nothing is added to it here.
    made.globals = dict(made.globals)
    return made


@cache
def _environment() -> ImmutableSandboxedEnvironment:
    from jinja2 import StrictUndefined
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    # Undefined names are errors: a misspelt field must not become an empty prompt.
    environment = ImmutableSandboxedEnvironment(undefined=StrictUndefined, keep_trailing_newline=False)
    # A prompt is the same every time: its hash is in the report, and the cache finds the answer again.
    del environment.globals["lipsum"], environment.filters["random"]
    environment.filters["tojson"] = to_json
    environment.filters["letter"] = letter_filter
    return environment


def filled(template: Template | Fields, names: Mapping[str, Any], sample: str, prompt: str) -> str:
    """Return the text that a template makes of a sample's fields; PromptError where it cannot."""
    try:
        text = template.render(names)
        text.encode()  # half of a surrogate pair could not be sent
    except Exception as error:  # noqa: BLE001 - what a template calls may raise anything
        raise PromptError(f'prompt {prompt}, sample "{sample}": {_told(error, names)}') from None
    return text


def _told(error: Exception, names: Mapping[str, Any]) -> str:
    from jinja2 import UndefinedError

    if isinstance(error, UndefinedError):
        fields = ", ".join(sorted(names)) or "no fields"
        return f"{error.message}; the sample has {fields}: map it with dataset.input.<name>=<column>"
    return f"{type(error).__name__}: {error}; change the template"


def to_json(value: Any, indent: int | None = None) -> str:
    """JSON as a model should read it; Jinja's own filter escapes `<` and every non-ASCII letter."""
    return json.dumps(value, ensure_ascii=False, indent=indent)
