from __future__ import annotations

import pytest

from evalkit.errors import ConfigError
from evalkit.postprocess.abstention import Abstention


@pytest.mark.parametrize(
    "text",
    [
        *("not in the passages", "Not in the passages.", "**Not mentioned**", "not stated in the text"),
        *(
            "I don't know.",
            "I don’t know",
            "I do not know the answer.",
            "Unanswerable",
            "UNKNOWN",
            "N/A",
            "none",
        ),
        *("The passages do not say how much it costs.", "The provided text doesn't mention this."),
        *("There is no information about that.", "None of the passages mentions a price.", "", " \n"),
        *(
            "I cannot find it in the passages",
            "The answer is not in the passages",
            "Sorry, but I can't tell.",
        ),
        *("It is not mentioned in the passages.", "The answer cannot be determined from the passages."),
        *(
            "文中没有提到",
            "无法回答。",
            "不知道",
            "资料中未提及价格",
            "根据所给资料，无法确定",
            "抱歉，文章中没有说明票价。",
        ),
        "I don't know.\n\nThe passages speak of other things.",
    ],
)
def test_saying_that_there_is_no_answer_is_none(text: str) -> None:
    assert Abstention()(text) == ""


@pytest.mark.parametrize(
    "text",
    [
        *("27 days", "Unknown Pleasures", "The text states 140 crowns", "No. 16", "not before May", "noon"),
        *("none of the above lamps", "The information desk", "not in stock", "The document says 45 days"),
        *("I don't know the exact number, but about 45", "I know", "十六天", "没有门槛的廊桥", "未来广场"),
    ],
)
def test_an_answer_stays(text: str) -> None:
    assert Abstention()(text) == text


def test_the_first_line_of_an_answer_is_kept() -> None:
    assert Abstention()("\n 27 days \nIt says so in [1].") == "27 days"


def test_own_phrases_are_whole_answers() -> None:
    step = Abstention(phrases=["keine Angabe", "沒有資料"])
    assert step("Keine Angabe.") == ""
    assert step("沒有資料") == ""
    assert step("Keine Angabe zum Preis") == "Keine Angabe zum Preis"
    with pytest.raises(ConfigError, match="phrases must be a list of texts"):
        Abstention(phrases="keine Angabe")
