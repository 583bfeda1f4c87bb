"""IFEval's own columns, `instruction_id_list` and `kwargs`, as constraints of the same meaning.

Zhou et al. 2023 (arXiv 2311.07911); the meanings are those of `instructions.py` in google-research. Three
things differ, because the reference needs packages with trained models or leaves it open: sentences are split
by rules (not by NLTK's punkt), languages are told by script and stop words (not by langdetect), and a keyword
is the text that it is (the reference takes it for a regular expression).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

ANSWERS = ("My answer is yes.", "My answer is no.", "My answer is maybe.")

_Made = tuple[str, dict[str, Any]]


def _bounded(kind: str, count: str, relation: str, **options: str) -> Callable[[Mapping[str, Any]], _Made]:
    """Return the maker of a counting constraint; `options` name ours by the reference's arguments."""

    def make(given: Mapping[str, Any]) -> _Made:
        number = int(given[count])
        bound = {"max": number - 1} if given.get(relation) == "less than" else {"min": number}
        return kind, {**{ours: given[theirs] for theirs, ours in options.items()}, **bound}

    return make


def _plain(
    kind: str, fixed: Mapping[str, Any] | None = None, **options: str
) -> Callable[[Mapping[str, Any]], _Made]:
    """Return the maker of another constraint: `fixed` options, and ours by the reference's arguments."""

    def make(given: Mapping[str, Any]) -> _Made:
        taken = {ours: given[theirs] for theirs, ours in options.items() if given.get(theirs) is not None}
        return kind, {**(fixed or {}), **taken}

    return make


INSTRUCTIONS: Mapping[str, Callable[[Mapping[str, Any]], _Made]] = {
    "keywords:existence": _plain("must_contain", keywords="texts"),
    "keywords:frequency": _bounded("keyword", "frequency", "relation", keyword="keyword"),
    "keywords:forbidden_words": _plain("must_not_contain", forbidden_words="texts"),
    "keywords:letter_frequency": _bounded("letter", "let_frequency", "let_relation", letter="letter"),
    "language:response_language": _plain("language", language="language"),
    "length_constraints:number_sentences": _bounded("sentences", "num_sentences", "relation"),
    "length_constraints:number_paragraphs": _plain("paragraphs", {"divider": "***"}, num_paragraphs="exact"),
    "length_constraints:number_words": lambda given: (
        "words", {"runs": True, **_bounded("words", "num_words", "relation")(given)[1]}
    ),
    "length_constraints:nth_paragraph_first_word": _plain(
        "paragraph_start", num_paragraphs="paragraphs", nth_paragraph="number", first_word="word"
    ),
    "detectable_content:number_placeholders": _plain("placeholders", num_placeholders="min"),
    "detectable_content:postscript": _plain("postscript", postscript_marker="marker"),
    "detectable_format:number_bullet_lists": _plain("bullets", {"rules": True}, num_bullets="exact"),
    "detectable_format:constrained_response": _plain("one_of", {"texts": ANSWERS}),
    "detectable_format:number_highlighted_sections": _plain("highlights", num_highlights="min"),
    "detectable_format:multiple_sections": _plain("sections", section_spliter="marker", num_sections="min"),
    "detectable_format:json_format": _plain("json"),
    "detectable_format:title": _plain("title"),
    "combination:two_responses": _plain("two_responses"),
    "combination:repeat_prompt": _plain("repeats", prompt_to_repeat="request"),
    "startend:end_checker": _plain("ends_with", end_phrase="phrase"),
    "startend:quotation": _plain("quoted", {"typographic": False}),
    "change_case:capital_word_frequency": _bounded("capital_words", "capital_frequency", "capital_relation"),
    "change_case:english_capital": _plain("upper_case", {"language": "en"}),
    "change_case:english_lowercase": _plain("lower_case", {"language": "en"}),
    "punctuation:no_comma": _plain("no_commas"),
}  # fmt: skip
"""By instruction id, in the order of the registry: what makes our type and options of its arguments."""
