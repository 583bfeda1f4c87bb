"""A program in an answer."""

from __future__ import annotations

import re
from typing import Any

from evalkit.postprocess.base import Step, Unparsed

# A fenced block, closed or cut off; the words after its language (a file's name) are no part of it.
_FENCED = re.compile(
    r"^[ \t]*```[ \t]*([\w+#.-]*)[^\n`]*\n(.*?)(?:^[ \t]*```[ \t]*$|\Z)", re.MULTILINE | re.DOTALL
)
_PYTHON = frozenset({"", "python", "python3", "py", "py3"})
_DEFINITION = re.compile(r"^(?:async def|def|class)\s", re.MULTILINE)


class Code(Step):
    """Keep the program: what stands in a fenced block, or the whole text where there is none.

    Of several blocks the first that defines a function or class, else the first; one that is cut off counts.
    The first line keeps its indentation, which a completion needs.
    """

    name = "code"

    def __call__(self, value: Any) -> Any:
        blocks = [block for tag, block in _FENCED.findall(value) if tag.casefold() in _PYTHON]
        defining = [block for block in blocks if _DEFINITION.search(block)]
        code = (defining or blocks or [value])[0].replace("\r\n", "\n").rstrip()
        while code.partition("\n")[0].strip() == "" and "\n" in code:
            code = code.partition("\n")[2]
        if not code.strip():
            raise Unparsed("no code")
        return code
