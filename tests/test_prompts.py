from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from jinja2 import Template

from evalkit.errors import PromptError
from evalkit.prompts import Prompt
from evalkit.prompts.templates import MARKS, Fields, compiled, filled, part, template_of
from evalkit.records import Sample

FIELDS = {"text": "hello", "choices": ["x", "y"], "doc": {"title": "T"}}


def rendered(template: str, fields: dict[str, Any] | None = None, **options: Any) -> str:
    """The last message's text."""
    sample = Sample("s1", FIELDS if fields is None else fields, target="SECRET", metadata={"note": "hidden"})
    return str(Prompt("mine", template, **options).render(sample)[-1]["content"])


def refusal(template: str, fields: dict[str, Any] | None = None, **options: Any) -> str:
    with pytest.raises(PromptError) as caught:
        rendered(template, fields, **options)
    assert caught.value.exit_code == 2
    return str(caught.value)


def test_messages_come_in_order_system_then_fixed_ones_then_the_user() -> None:
    prompt = Prompt(
        "mine",
        "Q: {{ text }}",
        system="About {{ doc.title }}.",
        messages=[{"role": "user", "content": "Q: a"}, {"role": "assistant", "content": "{{ choices[1] }}"}],
    )
    assert prompt.render(Sample("s1", FIELDS)) == (
        {"role": "system", "content": "About T."},
        {"role": "user", "content": "Q: a"},
        {"role": "assistant", "content": "y"},
        {"role": "user", "content": "Q: hello"},
    )


@pytest.mark.parametrize("system", [None, ""])
def test_without_a_system_text_there_is_no_system_message(system: str | None) -> None:
    messages = Prompt("mine", "hi", system=system).render(Sample("s1", {}))
    assert messages == ({"role": "user", "content": "hi"},)


@pytest.mark.parametrize("role", ["system", "developer", "user", "assistant"])
def test_every_role_of_a_chat_is_taken(role: str) -> None:
    prompt = Prompt("mine", "x", messages=[{"role": role, "content": "y"}])
    assert prompt.render(Sample("s1", {}))[0]["role"] == role


@pytest.mark.parametrize(
    "message",
    [
        {"role": "tool", "content": "x"},
        {"role": "user"},
        {"role": "user", "content": "x", "name": "me"},
        {"role": "user", "content": ["x"]},
        {"role": "user", "content": None},
        "user: x",
    ],
)
def test_a_message_that_is_none_is_refused(message: Any) -> None:
    with pytest.raises(PromptError, match="prompt mine: a message needs `role`"):
        Prompt("mine", "x", messages=[message])


def test_a_field_wins_over_a_variable_of_the_same_name() -> None:
    assert rendered("{{ text }} {{ language }}", variables={"text": "v", "language": "de"}) == "hello de"


@pytest.mark.parametrize("name", ["target", "label", "sample", "metadata", "note", "id", "row"])
def test_the_target_and_the_metadata_are_never_visible(name: str) -> None:
    message = refusal("{{ " + name + " }}")
    assert message == (
        f"prompt mine, sample \"s1\": '{name}' is undefined; the sample has choices, doc, text: "
        "map it with dataset.input.<name>=<column>"
    )


def test_nothing_that_a_template_can_reach_holds_the_target() -> None:
    assert "SECRET" not in rendered("{{ self }} {{ doc }} {{ choices }} {{ dict }} {{ range }}")


def test_an_undefined_attribute_is_no_empty_text() -> None:
    assert "'dict object' has no attribute 'titel'" in refusal("{{ doc.titel }}")


def test_an_undefined_name_in_a_condition_is_an_error_unless_asked_for() -> None:
    assert "'nope' is undefined" in refusal("{% if nope %}x{% endif %}")
    assert rendered("{% if nope is defined %}x{% endif %}y{{ nope | default('z') }}") == "yz"


@pytest.mark.parametrize(
    "text", ["{{ 1 + 1 }}", "{% if %}", "{# gone #}", "{{ target }}", "a\r\n\u2028b", "<&'\">"]
)
def test_a_sample_s_text_arrives_as_it_is(text: str) -> None:
    assert rendered("[{{ text }}]", {"text": text}) == f"[{text}]"
    assert rendered("[{{ v }}]", variables={"v": text}) == f"[{text}]"


@given(st.text(st.characters(codec="utf-8")))
def test_any_text_arrives_as_it_is(text: str) -> None:
    assert rendered("{{ text }}", {"text": text}) == text


@given(st.lists(st.sampled_from(["a", "\n", "\r", "\r\n", " ", "\u2028", "\x0b", "}}", "{ {", "##", "é"])))
def test_a_text_without_marks_is_what_jinja_makes_of_it(parts: list[str]) -> None:
    text = "".join(parts)
    assume(not any(mark in text for mark in MARKS))
    assert part(text, "system", "mine") == compiled(text, "system", "mine").render()


PIECES = (
    *("{{ a }}", "{{b}}", "{{  a  }}", "{{ a}}", "{{ nope }}", "{{ range }}", "{{ a|upper }}", "{{ d.e }}"),
    *("{{ true }}", "{{ None }}", "{{ not }}", "{{ self }}", "{{ loop }}", "{{ if }}", "{{ while }}"),
    *("{{ _c }}", "{{- a }}", "{{ a -}}", "{{ 1 }}", "{{\ta }}", "{{ a\n}}", "{{ é }}", "{{ a b }}", "{{}}"),
    *("{{", "}}", "{", "}", "{%", "%}", "{#", "#}", "{% raw %}", "{% endraw %}"),
    *("\n", "\r", "\r\n", " ", "text", "#"),
)
VALUES = ["x", "", "{{ b }}", "<&>", "\r\n", "y\n", 3, 1.50, None, True, ["x"], {"e": "z"}]


def outcome(make: Callable[..., Template | Fields], text: str, names: dict[str, Any]) -> str:
    try:
        return filled(make(text, "user", "mine"), names, "s1", "mine")
    except PromptError as error:
        return f"refused: {error}"


@settings(max_examples=1000, deadline=None)
@given(
    st.lists(st.sampled_from(PIECES), max_size=6),
    st.dictionaries(st.sampled_from(["a", "b", "d", "_c", "true", "not", "self", "while", "range"]),
                    st.sampled_from(VALUES)),
)  # fmt: skip
def test_a_template_of_fields_is_filled_as_jinja_fills_it(parts: list[str], names: dict[str, Any]) -> None:
    text = "".join(parts)
    assert outcome(template_of, text, names) == outcome(compiled, text, names)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("{{ a }}", Fields),
        ("Q: {{ question }}\nA: {{answer_1}}}}\n", Fields),
        ("nothing", Fields),
        ("{{ a|upper }}", Template),
        ("{{ a }}{% if b %}{% endif %}", Template),
        ("{{ none }}", Template),
    ],
)
def test_only_templates_of_fields_alone_are_filled_without_jinja(text: str, kind: type) -> None:
    assert isinstance(template_of(text, "user", "mine"), kind)


def test_literal_braces_are_written_raw() -> None:
    assert rendered('{% raw %}{{"a"}}{% endraw %} {"b": 1}') == '{{"a"}} {"b": 1}'


def test_tojson_writes_what_a_model_should_read() -> None:
    assert rendered("{{ text | tojson }}", {"text": "<好>'\n"}) == '"<好>\'\\n"'
    assert rendered("{{ choices | tojson(indent=1) }}") == '[\n "x",\n "y"\n]'


@pytest.mark.parametrize(
    ("template", "place"),
    [
        ("a\n{{ text", "user template, line 2"),
        ("{{ text }}\n\n{% if %}", "user template, line 3"),
        ("{{ text | nofilter }}", "user template, line 1"),
        ("{% for x in choices %}", "user template, line 1"),
        ("{% do 1 %}", "user template, line 1"),
    ],
)
def test_a_syntax_error_names_template_and_line(template: str, place: str) -> None:
    message = refusal(template)
    assert message.startswith(f"prompt mine, {place}: ")
    assert message.endswith("around literal braces")


def test_a_syntax_error_in_another_message_names_its_role() -> None:
    assert refusal("x", system="{{").startswith("prompt mine, system template, line 1: ")
    one = {"role": "assistant", "content": "{{"}
    assert refusal("x", messages=[one]).startswith("prompt mine, assistant template, line 1: ")


@pytest.mark.parametrize(
    "template",
    ["{% for i in choices %}" * 25 + "{% endfor %}" * 25, "{{ " + "(" * 3000 + "1" + ")" * 3000 + " }}"],
    ids=["blocks", "parentheses"],
)
def test_a_template_beyond_python_s_limits_is_refused(template: str) -> None:
    assert refusal(template).startswith("prompt mine, user template: cannot be compiled (")


@pytest.mark.parametrize(
    "template",
    [
        "{{ text.__class__ }}",
        "{{ text.__class__.__mro__[1].__subclasses__() }}",
        '{{ text["__class__"].__base__ }}',
        '{{ (text | attr("__class__")).__base__ }}',
        '{{ "{0.__class__}".format(text) }}',
        "{{ cycler.__init__.__globals__ }}",
        "{{ self.__init__.__globals__ }}",
        "{{ choices.append(1) }}",
        "{{ doc.update({}) }}",
        "{{ doc.pop('title') }}",
    ],
)
def test_the_sandbox_lets_no_template_out_nor_change_a_sample(template: str) -> None:
    fields = {"text": "hello", "choices": ["x"], "doc": {"title": "T"}}
    message = refusal(template, fields)
    assert "unsafe" in message or "undefined" in message or "no attribute" in message
    assert fields == {"text": "hello", "choices": ["x"], "doc": {"title": "T"}}


@pytest.mark.parametrize(
    ("template", "reason"),
    [
        ("{{ range(10**9) | list }}", "OverflowError: Range too big"),
        ("{{ 'x' * 10**15 }}", "MemoryError"),
        ("{{ 1 / 0 }}", "ZeroDivisionError: division by zero"),
        ("{{ text + 1 }}", "TypeError: "),
        ('{{ "{5}".format(text) }}', "IndexError: "),
        ('{{ "{x}".format(text) }}', "KeyError: 'x'"),
        ("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}", "RecursionError: "),
        ("{% include 'other' %}", "TypeError: no loader"),
        ('{{ "\\ud83d" }}', "UnicodeEncodeError: "),
    ],
)
def test_whatever_a_template_does_wrong_is_a_prompt_error(template: str, reason: str) -> None:
    message = refusal(template)
    assert message.startswith(f'prompt mine, sample "s1": {reason}')
    assert message.endswith("; change the template")


@pytest.mark.parametrize("template", ["{{ lipsum() }}", "{{ choices | random }}"])
def test_a_template_cannot_render_differently_each_time(template: str) -> None:
    refusal(template)


def test_the_hash_is_sha256_of_the_canonical_source() -> None:
    """The bytes are spelled out here, so that an accidental change of the scheme shows."""
    prompt = Prompt("any name", "Q: {{ question }}", system="Be brief.")
    source = (
        b'{"answer_schema":null,"messages":[],"system":"Be brief.",'
        b'"template":"Q: {{ question }}","variables":{}}'
    )
    assert hashlib.sha256(source).hexdigest() == prompt.sha256
    assert prompt.sha256 == "4a17b12e09233414d461c1e1ced44f20c3ec2d1fe03d1ffb3ef733be6ce398ae"


@pytest.mark.parametrize(
    "other",
    [
        Prompt("n", "u"),
        Prompt("n", "t", system="s"),
        Prompt("n", "t", messages=[{"role": "user", "content": "m"}]),
        Prompt("n", "t", variables={"v": 1}),
        Prompt("n", "t", answer_schema={"type": "object"}),
    ],
)
def test_everything_but_the_name_changes_the_hash(other: Prompt) -> None:
    assert other.sha256 != Prompt("n", "t").sha256
    assert Prompt("m", "t").sha256 == Prompt("n", "t").sha256


@pytest.mark.parametrize(
    "options",
    [
        {"variables": {"x": float("nan")}},
        {"variables": {"x": object()}},
        {"answer_schema": {"maximum": float("inf")}},
        {"system": "cut emoji \ud83d"},
    ],
)
def test_what_cannot_be_hashed_or_sent_is_refused_before_the_run(options: dict[str, Any]) -> None:
    with pytest.raises(PromptError, match="must be plain JSON"):
        Prompt("mine", "t", **options)
