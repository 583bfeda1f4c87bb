"""Which choice an answer names: by its words in the order shown, or by the letters' probabilities."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalkit.errors import DatasetError
from evalkit.postprocess import Context, Unparsed
from evalkit.postprocess.choice import Choice, ChoiceLogprobs
from evalkit.records import Response, Sample

RIVERS = ["the Rhine", "the Danube", "the Volga", "the Elbe"]


def context(
    choices: Any = RIVERS,
    order: Sequence[int] | None = None,
    logprobs: Any = None,
    refusal: str | None = None,
) -> Context:
    added = {} if order is None else {"choices": [choices[place] for place in order], "order": list(order)}
    inputs = {} if choices is None else {"choices": choices}
    return Context(Response("", logprobs=logprobs, refusal=refusal), Sample("s", inputs, added=added))


def read(text: Any, choices: Any = RIVERS, order: Sequence[int] | None = None) -> Any:
    return Choice().read(text, context(choices, order))


@pytest.mark.parametrize(
    "text",
    [
        *("B", "b", " B\n", "(B)", "[B]", "B.", "B)", "B:", "**B**", "**B.**", "`B`", "_B_", '"B"', "$B$"),
        *("B. the Danube", "(B) the Danube", "B) The Danube.", "**B. the Danube**", "B: because it is long"),
        *("B, the Danube", "B\n\nIt flows through Vienna.", "B - the Danube", "B、多瑙河", "（B）", "Ｂ"),
        *(
            "The answer is B",
            "The answer is B.",
            "the answer is b",
            "The correct answer is (B).",
            "Answer: B",
        ),
        *("answer: **B**", "The answer is: B", "The best answer would be B.", "My choice is option B."),
        *(
            "The answer to the question about rivers is B.",
            "I would choose B.",
            "I'd go with option B.",
            "Option B",
        ),
        *(
            "Final answer: B. the Danube",
            r"So it is \boxed{B}.",
            r"\boxed{\text{B}}",
            "The correct option is B",
        ),
        *("B is correct.", "I think B is the right one.", "Option B is the best answer, since C is a lake."),
        *(
            "答案是B",
            "答案：B",
            "答案为 B。",
            "正确答案是（B）",
            "选B",
            "我选择B",
            "应选B项",
            "B是正确的",
            "B选项正确。",
        ),
        *("the Danube", "The Danube.", "**The Danube**", "It flows into the Black Sea: it is the Danube."),
        *("A river of many lands, the Danube, of course.", "I believe that it is (B) and I am sure."),
        *('{"answer": "B"}', '{"answer": "the Danube"}', '```json\n{"choice": "b"}\n```', '{"答案": "B"}'),
        *(
            "The answer is not A. The answer is B.",
            "It isn't the Rhine; it is the Danube.",
            "答案不是A，答案是B。",
        ),
        *("Not the Volga but the Danube", "I'd say *B*"),
    ],
)
def test_the_second_choice_is_read(text: str) -> None:
    assert read(text) == "B"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "no text"),
        ("   ", "no text"),
        ("I do not know.", "names none of the choices A to D: 'I do not know.'"),
        ("E", "names none of the choices A to D"),
        ("The answer is E.", "names none"),
        ("It is a river.", "names none"),
        ("A river flows there. I like it.", "names none"),
        ("A or B", "names several choices: A, B"),
        ("The answer is A. No, the answer is C.", "names several choices: A, C"),
        ("A, B and C are wrong.", "names several choices: A, B, C"),
        ("the Rhine or the Danube", "names several choices: A, B"),
        ("C. the Danube", "says C and writes out B"),
        ("C. the Danube\nA. the Rhine", "says C and writes out B"),
        ("not B", "names none"),
        ("答案不是B", "names none"),
    ],
)
def test_an_open_answer_is_unparsed_with_the_reason(text: str, why: str) -> None:
    with pytest.raises(Unparsed) as unparsed:
        read(text)
    assert why in str(unparsed.value)


@pytest.mark.parametrize(
    ("text", "choices", "letter"),
    [
        ("A stack", ["a queue", "a stack"], "B"),
        ("It must be a stack.", ["a queue", "a stack", "a stack of cards"], "B"),
        ("a stack of cards", ["a queue", "a stack", "a stack of cards"], "C"),
        ("36", ["24", "32", "36"], "C"),
        ("It is 36.", ["3", "36", "6"], "B"),
        ("about 3.5 metres", ["3", "5", "3.5"], "C"),
        ("木星", ["土星", "木星"], "B"),
        ("是木星。", ["土星", "木星"], "B"),
        ("26厘米", ["6厘米", "26厘米"], "B"),
        ('{"answer": 36}', ["24", "36"], "B"),
        ("No", ["Yes", "No"], "B"),
        ("No, the bank should not.", ["Yes", "No"], "B"),
        ("I", [str(one) for one in range(10)], "I"),
        ("C++", ["Java", "Python", "C++"], "C"),
    ],
)
def test_a_choice_may_be_written_out(text: str, choices: list[str], letter: str) -> None:
    assert read(text, choices) == letter


def test_a_letter_counts_in_the_order_that_was_shown_and_is_told_in_the_data_s() -> None:
    """Turned by one: B, C, D, A are shown as A, B, C, D."""
    order = [1, 2, 3, 0]
    assert [read(letter, RIVERS, order) for letter in "ABCD"] == ["B", "C", "D", "A"]
    assert read("The answer is (A) the Danube.", RIVERS, order) == "B"
    assert read("the Rhine", RIVERS, order) == "A"


@given(st.permutations(range(4)), st.integers(0, 3))
def test_letter_and_text_agree_in_every_order(order: Sequence[int], place: int) -> None:
    letter, text = "ABCD"[place], RIVERS[order[place]]
    assert (
        read(letter, RIVERS, order) == read(text, RIVERS, order) == read(f"{letter}. {text}", RIVERS, order)
    )


@given(st.text(max_size=60))
def test_any_text_is_read_or_unparsed(text: str) -> None:
    with contextlib.suppress(Unparsed):
        assert read(text) in set("ABCD")


def test_choices_must_be_there_unless_they_are_optional() -> None:
    with pytest.raises(DatasetError, match=r'step choice: sample "s" has no field choices; map a list'):
        read("B", None)
    with pytest.raises(DatasetError, match=r'step choice_logprobs: sample "s" has no field choices'):
        ChoiceLogprobs().read("B", context(None))
    with pytest.raises(DatasetError, match=r'sample "s": choices must be a list of 2 to 26'):
        read("B", "Rhine")
    assert Choice(optional=True).read("refused", context(None)) == "refused"


def test_a_refusal_marked_by_the_server_has_no_choice() -> None:
    with pytest.raises(Unparsed, match="the model refused: no"):
        Choice().read("", context(refusal="no"))


def told(*tokens: Mapping[str, float]) -> dict[str, Any]:
    """Log-probabilities as the API gives them, from the probabilities at each token, the first one taken."""
    content = []
    for likely in tokens:
        entries = [{"token": token, "logprob": math.log(share)} for token, share in likely.items()]
        content.append({**entries[0], "top_logprobs": entries})
    return {"content": content}


def probabilities(logprobs: Any, order: Sequence[int] | None = None) -> Any:
    return ChoiceLogprobs().read("?", context(RIVERS, order, logprobs))


def test_spellings_of_a_letter_are_added_up_and_shares_are_of_the_letters_alone() -> None:
    """B 0.2 + 0.1 + 0.1 beats C 0.3; A has 0.1, D none, and 0.1 of each 0.8 is for something else."""
    found = probabilities(told({"C": 0.3, "B": 0.2, " B": 0.1, "(B": 0.1, "A": 0.1, "The": 0.1}))
    assert found["answer"] == "B"
    assert found["confidence"] == pytest.approx(0.5)
    assert found["probabilities"] == pytest.approx({"A": 0.125, "B": 0.5, "C": 0.375, "D": 0.0})


def test_shares_are_told_in_the_order_of_the_data() -> None:
    found = probabilities(told({"A": 0.6, "B": 0.2, "C": 0.1, "D": 0.1}), [2, 0, 3, 1])
    assert found["answer"] == "C"
    assert found["probabilities"] == pytest.approx({"A": 0.2, "B": 0.1, "C": 0.6, "D": 0.1})


def test_equals_go_to_the_choice_shown_first() -> None:
    assert probabilities(told({"D": 0.5, "A": 0.5}))["answer"] == "A"
    assert probabilities(told({"D": 0.5, "A": 0.5}), [3, 2, 1, 0])["answer"] == "D"


def test_marks_and_spaces_before_the_letter_are_passed_over() -> None:
    assert probabilities(told({"\n": 0.9, "x": 0.1}, {"**": 1.0}, {"C": 0.7, "B": 0.3}))["answer"] == "C"


def test_the_token_itself_counts_where_no_others_are_told() -> None:
    entry = {"token": "D", "logprob": -0.1}
    assert probabilities({"content": [entry]})["answer"] == "D"


@pytest.mark.parametrize("logprobs", [None, {}, {"content": None}, {"content": []}, "no"])
def test_without_log_probabilities_the_reason_says_what_to_ask_for(logprobs: Any) -> None:
    with pytest.raises(Unparsed, match=r"no log-probabilities; ask with model\.params\.logprobs=true"):
        probabilities(logprobs)


def test_an_answer_that_begins_with_a_word_is_unparsed() -> None:
    with pytest.raises(Unparsed, match="no letter from A to D is likely where the answer says 'The'"):
        probabilities(told({"The": 0.9, "It": 0.1}, {"B": 1.0}))
    with pytest.raises(Unparsed, match="no letter from A to D is likely in the answer"):
        probabilities(told({"**": 1.0}))
