"""The final number of an answer."""

from __future__ import annotations

from typing import Any

from evalkit.errors import ConfigError
from evalkit.metrics.numbers import DECIMALS, PERCENTS, announced_in, final_number, plain, spelled
from evalkit.postprocess.base import Step, Unparsed


class Number(Step):
    """Keep the final number, spelt plainly ("1234.5", "1/3"), as `evalkit.metrics.numbers` finds it.

    `decimal` is "point" or "comma" (1.234,5). `percent`: "ignore" reads 50% as 50, "fraction" as 0.5.
    `symbolic` keeps what is announced as the answer as it stands, number or not; where nothing is announced,
    an answer of one line is all of it, and of a longer one the final number is kept.
    """

    name = "number"

    def __init__(self, *, decimal: str = "point", percent: str = "ignore", symbolic: bool = False) -> None:
        for option, value, choices in (("decimal", decimal, DECIMALS), ("percent", percent, PERCENTS)):
            if value not in choices:
                raise ConfigError(
                    f"post-processing step number: {option} is {' or '.join(choices)}, not {value!r}"
                )
        self._decimal, self._percent, self._symbolic = decimal, percent, symbolic

    def __call__(self, value: Any) -> Any:
        if self._symbolic:
            text = plain(value, self._decimal)
            answer = announced_in(text)
            if answer is None and "\n" not in text.strip():
                answer = text.strip()
            if answer:
                return answer
        number = final_number(value, decimal=self._decimal, percent=self._percent)
        if number is None:
            raise Unparsed("no number")
        return spelled(number)
