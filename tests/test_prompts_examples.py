"""Few-shot examples as a prompt renders them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalkit.config.compose import load
from evalkit.config.prompting import build_postprocess, build_prompt
from evalkit.errors import PromptError
from evalkit.prompts import Prompt, parts_of
from evalkit.records import Sample

EXAMPLES = [{"input": {"q": "1+1"}, "answer": "2"}, {"input": {"q": "{{ q }}"}, "answer": "{{ 3 }}"}]
ASKED = Sample("s", {"q": "2+2"})
SCHEMA = {"type": "object", "properties": {"answer": {"type": "string"}}}


def turns(prompt: Prompt, sample: Sample = ASKED) -> list[tuple[str, str]]:
    return [(str(one["role"]), str(one["content"])) for one in prompt.render(sample)]


def test_chat_examples_are_asked_by_the_same_template_between_system_and_question() -> None:
    prompt = Prompt("p", "Q: {{ q }}", system="About {{ q }}").with_examples(EXAMPLES)
    assert turns(prompt) == [
        ("system", "About 2+2"),
        ("user", "Q: 1+1"),
        ("assistant", "2"),
        ("user", "Q: {{ q }}"),
        ("assistant", "{{ 3 }}"),
        ("user", "Q: 2+2"),
    ]


@pytest.mark.parametrize(
    ("cue", "text"),
    [
        ("Answer:", "Q: 1+1\n\nAnswer: 2\n\nQ: {{ q }}\n\nAnswer: {{ 3 }}\n\nQ: 2+2\n\nAnswer:"),
        ("", "Q: 1+1\n\n2\n\nQ: {{ q }}\n\n{{ 3 }}\n\nQ: 2+2"),
    ],
)
def test_inline_examples_share_the_user_message(cue: str, text: str) -> None:
    prompt = Prompt("p", "Q: {{ q }}", system="S").with_examples(EXAMPLES, cue)
    assert turns(prompt) == [("system", "S"), ("user", text)]


@given(st.text(st.characters(codec="utf-8")), st.text(st.characters(codec="utf-8")))
def test_what_an_example_says_arrives_as_it_is(question: str, answer: str) -> None:
    examples = [{"input": {"q": question}, "answer": answer}]
    asked, answered, _ = Prompt("p", "{{ q }}").with_examples(examples).render(ASKED)
    assert (asked["content"], answered["content"]) == (question, answer)


def test_hand_written_turns_give_way_and_other_messages_stay() -> None:
    written = [
        {"role": "developer", "content": "D"},
        {"role": "user", "content": "old question"},
        {"role": "assistant", "content": "old answer"},
    ]
    prompt = Prompt("p", "{{ q }}", messages=written)
    assert [role for role, _ in turns(prompt)] == ["developer", "user", "assistant", "user"]
    assert turns(prompt.with_examples(EXAMPLES[:1])) == [
        ("developer", "D"), ("user", "1+1"), ("assistant", "2"), ("user", "2+2"),
    ]  # fmt: skip


def test_the_source_rebuilds_the_prompt_and_its_hash() -> None:
    for cue in (None, "A:"):
        prompt = Prompt("p", "{{ q }}", system="S").with_examples(EXAMPLES, cue)
        again = Prompt("p", **prompt.source)
        assert again.render(ASKED) == prompt.render(ASKED)
        assert again.sha256 == prompt.sha256


def test_examples_their_answers_their_order_and_their_form_change_the_hash() -> None:
    plain = Prompt("p", "{{ q }}")
    other = [EXAMPLES[0] | {"answer": "two"}, EXAMPLES[1]]
    variants = [
        plain,
        plain.with_examples(EXAMPLES),
        plain.with_examples(EXAMPLES[:1]),
        plain.with_examples(EXAMPLES[::-1]),
        plain.with_examples(other),
        plain.with_examples(EXAMPLES, "A:"),
        plain.with_examples(EXAMPLES, "B:"),
    ]
    assert len({one.sha256 for one in variants}) == len(variants)


@pytest.mark.parametrize(
    ("schema", "answer"),
    [
        (None, 'the "Old" 好'),
        (SCHEMA, '{"answer": "the \\"Old\\" 好"}'),
        ({"properties": {"n": {"type": "number"}}}, 'the "Old" 好'),
        ({"properties": {"a": {"type": "string"}, "b": {"type": "string"}}}, 'the "Old" 好'),
        ({"properties": {"a": True}}, 'the "Old" 好'),
        ({"type": "string"}, 'the "Old" 好'),
    ],
)
def test_the_answer_is_the_first_reference_as_the_schema_wants_it(schema: Any, answer: str) -> None:
    sample = Sample("s", {"q": "x"}, ['the "Old" 好', "other"])
    assert Prompt("p", "{{ q }}", answer_schema=schema).answer(None, sample) == answer


def test_an_answer_template_sees_fields_target_and_references() -> None:
    sample = Sample("s", {"q": "x"}, {"n": 3})
    template = "{{ q }}/{{ target.n }}/{{ reference }}/{{ references | length }}"
    assert Prompt("p", "{{ q }}").answer(template, sample) == 'x/3/{"n": 3}/1'


@pytest.mark.parametrize(
    ("template", "message"),
    [
        (None, 'example "s" has no target to show as its answer'),
        ("{{ reference }}", "'reference' is undefined"),
        ("{{", "prompt p, fewshot.answer template, line 1"),
    ],
)
def test_an_example_without_an_answer_is_refused(template: str | None, message: str) -> None:
    with pytest.raises(PromptError) as caught:
        Prompt("p", "{{ q }}").answer(template, Sample("s", {"q": "x"}))
    assert message in str(caught.value)


@pytest.mark.parametrize(
    "example", [{"input": {}}, {"input": [], "answer": ""}, "x", {"input": {}, "answer": 1}]
)
def test_an_example_that_is_none_is_refused(example: Any) -> None:
    with pytest.raises(PromptError, match="prompt p: an example needs `input`"):
        Prompt("p", "x", examples=[example])


def test_the_parts_are_named_in_the_order_of_the_messages() -> None:
    prompt = Prompt("p", "Q: {{ q }}", system="S", examples=EXAMPLES[:1])
    assert parts_of(prompt.source) == [
        ("system", "S"), ("example 1", '{"q": "1+1"}'), ("answer 1", "2"), ("user", "Q: {{ q }}"),
    ]  # fmt: skip
    assert parts_of(Prompt("p", "x").source) == [("user", "x")]


@pytest.mark.parametrize("task", ["qa", "sentiment", "summarization", "translation"])
@pytest.mark.parametrize("reference", ["positive", 'a "quoted" word', "one, two"])
def test_every_task_reads_the_answer_that_its_examples_show(task: str, reference: str) -> None:
    if task == "sentiment" and reference != "positive":
        reference = "negative"
    config = load([f"task={task}"])
    answer = build_prompt(config.prompt).answer(None, Sample("s", {}, reference))
    read = build_postprocess(config.task.postprocess)(answer)
    assert str(read).replace('\\"', '"') == reference
