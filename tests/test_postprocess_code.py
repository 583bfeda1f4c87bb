from __future__ import annotations

import pytest

from evalkit.postprocess import Unparsed
from evalkit.postprocess.code import Code

WHOLE = "def f(x):\n    return x"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (WHOLE, WHOLE),
        (f"Sure:\n```python\n{WHOLE}\n```\nDone.", WHOLE),
        (f"```\n{WHOLE}\n```", WHOLE),
        (f"```Python title=f.py\n{WHOLE}\n```", WHOLE),
        (f"First install it:\n```bash\npip install x\n```\n```py\n{WHOLE}\n```", WHOLE),
        (f"```python\nprint(f(1))\n```\n```python\n{WHOLE}\n```", WHOLE),
        (f"```python\n{WHOLE}", WHOLE),
        ("\n\n    return x\n\n", "    return x"),
        ("```python\n    return x\n```", "    return x"),
        (f"```python\r\n{WHOLE.replace(chr(10), chr(13) + chr(10))}\r\n```", WHOLE),
    ],
)
def test_the_program_is_taken_out_of_the_answer(text: str, code: str) -> None:
    assert Code()(text) == code


@pytest.mark.parametrize("text", ["", " \n\t\n", "```python\n```"])
def test_no_code_is_unparsed(text: str) -> None:
    with pytest.raises(Unparsed, match="no code"):
        Code()(text)
