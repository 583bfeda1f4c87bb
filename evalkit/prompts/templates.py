"""Templates by Jinja2 in its sandbox."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

from evalkit.choices import letter_filter
from evalkit.errors import PromptError

if TYPE_CHECKING:
    from jinja2 import Template
    from jinja2.sandbox import ImmutableSandboxedEnvironment

MARKS = ("{{", "{%", "{#")
_LINE_END = re.compile(r"\r\n|\r")


def part(text: str, role: str, prompt: str) -> Template | str:
    """Return a template, or the text itself where nothing in it depends on the sample."""
    return compiled(text, role, prompt) if any(mark in text for mark in MARKS) else as_rendered(text)


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


def filled(template: Template, names: Mapping[str, Any], sample: str, prompt: str) -> str:
    """Return the text that a template makes of a sample's fields; PromptError where it cannot."""
    from jinja2 import UndefinedError

    try:
        text = template.render(names)
        text.encode()  # half of a surrogate pair could not be sent
    except UndefinedError as error:
        raise PromptError(
            f'prompt {prompt}, sample "{sample}": {error.message}; the sample has '
            f"{', '.join(sorted(names)) or 'no fields'}: map it with dataset.input.<name>=<column>"
        ) from None
    except Exception as error:  # noqa: BLE001 - what a template calls may raise anything
        raise PromptError(
            f'prompt {prompt}, sample "{sample}": {type(error).__name__}: {error}; change the template'
        ) from None
    return text


def to_json(value: Any, indent: int | None = None) -> str:
    """JSON as a model should read it; Jinja's own filter escapes `<` and every non-ASCII letter."""
    return json.dumps(value, ensure_ascii=False, indent=indent)
