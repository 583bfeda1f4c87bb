from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalkit.errors import MetricError
from evalkit.metrics.constraints.checks import CHECKS
from evalkit.metrics.constraints.counts import COUNTS, count_sentences, count_words
from evalkit.metrics.constraints.ifeval import INSTRUCTIONS
from evalkit.metrics.constraints.languages import LANGUAGES, language_of
from evalkit.metrics.constraints.metric import Constraints, loosened
from evalkit.metrics.constraints.table import constraint_of, instruction_of
from evalkit.records import Generation, Response, Sample
from evalkit.search_path import shipped

FOREIGN = json.loads((Path(__file__).parent / "foreign" / "ifeval_verdicts.json").read_text("utf-8"))
OF_LANGUAGE = ("language:", "change_case:english")
LONG = 12  # words; below, languages are guesses, ours and the reference's


@pytest.mark.parametrize("row", FOREIGN["verdicts"], ids=lambda row: f"{row['id']}-{row['arguments']}"[:60])
def test_verdicts_are_those_of_the_reference_code(row: dict[str, Any]) -> None:
    """What google-research's code said of 72 texts, strictly and loosely; the file names its version."""
    instruction = instruction_of(row["id"], row["arguments"], "here")
    for text, strict, loose in zip(FOREIGN["texts"], row["strict"], row["loose"], strict=True):
        of_language = row["id"].startswith(OF_LANGUAGE)
        if not of_language or count_words(text) >= LONG:
            assert (instruction.broken(text) is None) == (strict == "1"), text
        if not of_language:
            assert any(instruction.broken(one) is None for one in loosened(text)) == (loose == "1"), text


def test_every_instruction_of_ifeval_is_mapped() -> None:
    """The 25 of instructions_registry.py; all but the sentences are among the foreign verdicts."""
    assert len(INSTRUCTIONS) == 25
    tested = {row["id"] for row in FOREIGN["verdicts"]}
    assert set(INSTRUCTIONS) - tested == {"length_constraints:number_sentences"}


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("One. Two! Three? Four…", 4),
        ("Dr. Weber met Mr. J. Smith at 3.30 p.m. in the U.S. embassy.", 1),
        ("It costs e.g. 3.50 euros. Really?!", 2),
        ('"Go," he said. "Now."', 2),
        ("No mark at all", 1),
        ("I am. So are you and I. Good.", 3),
        ("1. First thing\n2. Second thing", 1),
        ("今天下雨。你带伞了吗？没有！", 3),
        ("他说：“走吧。”然后走了。", 2),
        ("…", 0),
        ("", 0),
    ],
)
def test_sentences_by_hand(text: str, sentences: int) -> None:
    assert count_sentences(text) == sentences


@pytest.mark.parametrize(
    ("kind", "options", "text", "count"),
    [
        ("words", {}, "Don't stop: it's 3 o'clock", 8),
        ("words", {}, "我喜欢吃苹果 and pears", 8),
        ("words", {"runs": True}, "我喜欢吃苹果 and pears", 3),
        ("characters", {}, " 我 喜欢\n", 3),
        ("characters", {"spaces": True}, " a b\n", 3),
        ("paragraphs", {}, "a\nb\n\nc\n \n\nd\n", 3),
        ("paragraphs", {"divider": "***"}, "a\n***\nb", 2),
        ("paragraphs", {"divider": "***"}, "a *** *** b", 0),
        ("lines", {}, "a\n\n b\n", 2),
        ("keyword", {"keyword": "an"}, "An ant and a fan", 4),
        ("keyword", {"keyword": "an", "whole_words": True}, "An ant and a fan", 1),
        ("keyword", {"keyword": "an", "ignore_case": False}, "An ant and a fan", 3),
        ("keyword", {"keyword": "苹果", "whole_words": True}, "吃苹果和苹果汁", 2),
        ("keyword", {"keyword": "C++ (fast)"}, "c++ (fast), C++ (slow)", 1),
        ("letter", {"letter": "E"}, "Eerie", 3),
        ("letter", {"letter": "E", "ignore_case": False}, "Eerie", 1),
        ("bullets", {}, "* a\n  - b\n**bold**\n---\n- - -\n-c", 3),
        ("bullets", {"rules": True}, "* a\n  - b\n---", 3),
        ("numbered", {}, "1. a\n2) b\n\ntext\n3、c\n5. e", 3),
        ("numbered", {}, "2. a\n3. b", 0),
        ("headings", {}, "# a\n## b\n#c\n####### d", 2),
        ("headings", {"level": 2}, "# a\n## b\n### c", 1),
        ("highlights", {}, "*a* and **b** and ** ** and *\n*", 2),
        ("placeholders", {}, "[name] [the date] x] [", 2),
        ("sections", {"marker": "Part "}, "Part 1 a\nPart 2 b, part 3", 2),
        ("capital_words", {}, "I SAW the U.S. flag, A-B and Ab", 4),
    ],
)  # fmt: skip
def test_counts_by_hand(kind: str, options: dict[str, Any], text: str, count: int) -> None:
    assert COUNTS[kind](text, **options) == count
    assert constraint_of({"type": kind, **options, "exact": count}, "here").broken(text) is None
    assert constraint_of({"type": kind, **options, "min": count + 1}, "here").broken(text) is not None
    if count:
        found = constraint_of({"type": kind, **options, "max": count - 1}, "here").broken(text)
        assert found == f"{count}, at most {count - 1}"


@pytest.mark.parametrize(
    ("kind", "options", "followed", "broken"),
    [
        ("must_contain", {"texts": ["gull", "Salt"]}, "Seagulls like salt.", "Gulls like fish."),
        ("must_contain", {"texts": ["gull"], "whole_words": True}, "One gull.", "Seagulls."),
        ("must_not_contain", {"texts": ["cold"]}, "A scolded child.", "Cold soup."),
        ("must_not_contain", {"texts": ["甜"]}, "很酸", "很甜"),
        ("starts_with", {"phrase": "Dear"}, "\nDear Ann", "dear Ann"),
        ("starts_with", {"phrase": "Dear", "ignore_case": True}, "dear Ann", "Oh dear"),
        ("ends_with", {"phrase": "Bye."}, 'See you. bye."\n', "Bye. Bye"),
        ("one_of", {"texts": ["Yes.", "No."], "whole": True}, " No.\n", "No. Never."),
        ("one_of", {"texts": ["Yes.", "No."]}, "No. Never.", "Maybe."),
        ("repeats", {"request": "Name a river."}, "name a river. Rhine.", "Rhine."),
        ("no_commas", {}, "a b", "一，二"),
        ("upper_case", {}, "STOP 3", "Stop"),
        ("lower_case", {}, "stop 3", "Stop"),
        ("lower_case", {"language": "en"}, "this is the end of it", "das ist das ende von dem buch"),
        ("quoted", {}, " “so it is” ", '"so" it is'),
        ("quoted", {"typographic": False}, '"so"', "“so”"),
        ("title", {}, "<<Joy>>\n…", "<Joy> << >>"),
        ("postscript", {}, "Yours\np. s. more", "PS more"),
        ("postscript", {"marker": "附言："}, "附言：再见", "再见"),
        ("two_responses", {}, "a\n******\nb", "a\n******\na"),
        ("two_responses", {}, "******\na******b", "a ****** b ****** c"),
        ("paragraph_start", {"paragraphs": 2, "number": 2, "word": "Then"}, 'a\n\n"then, b', "a\n\nSo then"),
        ("json", {}, '```json\n{"a": 1}\n```', 'Here: {"a": 1}'),
        ("json_schema", {"schema": {"type": "object", "required": ["a"]}}, '{"a": 1}', "{}"),
        ("json_schema", {"schema": '{"type": "array"}'}, "[]", "{}"),
        ("language", {"language": "zh"}, "我用GPT模型写作文。", "I write with a model."),
        ("language", {"language": "en"}, "Reims, Lyon 42", "Der Hund und die Katze sind nicht da."),
    ],
)  # fmt: skip
def test_checks_by_hand(kind: str, options: dict[str, Any], followed: str, broken: str) -> None:
    constraint = constraint_of({"type": kind, **options, "unused": None}, "here")
    assert constraint.broken(followed) is None
    assert constraint.broken(broken)
    assert constraint.broken(" \n") == "empty"


def test_every_type_is_tested_by_hand() -> None:
    assert not set(COUNTS) & set(CHECKS)
    assert len(COUNTS) + len(CHECKS) == 31


# Article 1 of the Universal Declaration of Human Rights (United Nations), its first sentence or two.
ARTICLE_1 = {
    "en": "All human beings are born free and equal in dignity and rights. They are endowed with "
    "reason and conscience and should act towards one another in a spirit of brotherhood.",
    "de": "Alle Menschen sind frei und gleich an Würde und Rechten geboren.",
    "fr": "Tous les êtres humains naissent libres et égaux en dignité et en droits.",
    "es": "Todos los seres humanos nacen libres e iguales en dignidad y derechos y, dotados como "
    "están de razón y conciencia, deben comportarse fraternalmente los unos con los otros.",
    "it": "Tutti gli esseri umani nascono liberi ed eguali in dignità e diritti. Essi sono dotati "
    "di ragione e di coscienza e devono agire gli uni verso gli altri in spirito di "
    "fratellanza.",
    "pt": "Todos os seres humanos nascem livres e iguais em dignidade e em direitos. Dotados de "
    "razão e de consciência, devem agir uns para com os outros em espírito de fraternidade.",
    "nl": "Alle mensen worden vrij en gelijk in waardigheid en rechten geboren. Zij zijn begiftigd "
    "met verstand en geweten, en behoren zich jegens elkander in een geest van broederschap "
    "te gedragen.",
    "sv": "Alla människor är födda fria och lika i värde och rättigheter. De är utrustade med "
    "förnuft och samvete och bör handla gentemot varandra i en anda av broderskap.",
    "da": "Alle mennesker er født frie og lige i værdighed og rettigheder. De er udstyret med "
    "fornuft og samvittighed, og de bør handle mod hverandre i en broderskabets ånd.",
    "fi": "Kaikki ihmiset syntyvät vapaina ja tasavertaisina arvoltaan ja oikeuksiltaan.",
    "pl": "Wszyscy ludzie rodzą się wolni i równi pod względem swej godności i swych praw. Są oni "
    "obdarzeni rozumem i sumieniem i powinni postępować wobec innych w duchu braterstwa.",
    "cs": "Všichni lidé rodí se svobodní a sobě rovní co do důstojnosti a práv.",
    "ro": "Toate ființele umane se nasc libere și egale în demnitate și în drepturi.",
    "hu": "Minden emberi lény szabadon születik és egyenlő méltósága és joga van.",
    "tr": "Bütün insanlar hür, haysiyet ve haklar bakımından eşit doğarlar.",
    "id": "Semua orang dilahirkan merdeka dan mempunyai martabat dan hak-hak yang sama.",
    "vi": "Tất cả mọi người sinh ra đều được tự do và bình đẳng về nhân phẩm và quyền.",
    "sw": "Watu wote wamezaliwa huru, hadhi na haki zao ni sawa.",
    "ru": "Все люди рождаются свободными и равными в своем достоинстве и правах.",
    "uk": "Всі люди народжуються вільними і рівними у своїй гідності та правах.",
    "bg": "Всички хора се раждат свободни и равни по достойнство и права. Те са надарени с разум и съвест.",
    "el": "Όλοι οι άνθρωποι γεννιούνται ελεύθεροι και ίσοι στην αξιοπρέπεια και τα δικαιώματα.",
    "ar": "يولد جميع الناس أحرارًا متساوين في الكرامة والحقوق.",
    "fa": "تمام افراد بشر آزاد به دنیا می‌آیند و از لحاظ حیثیت و حقوق با هم برابرند.",
    "ur": "تمام انسان آزاد اور حقوق و عزت کے اعتبار سے برابر پیدا ہوئے ہیں۔",
    "hi": "सभी मनुष्यों को गौरव और अधिकारों के मामले में जन्मजात स्वतन्त्रता और समानता प्राप्त है।",
    "mr": "सर्व मानवी व्यक्ति जन्मतःच स्वतंत्र आहेत व त्यांना समान प्रतिष्ठा व समान अधिकार आहेत.",
    "ne": "सबै व्यक्तिहरू जन्मजात स्वतन्त्र हुन् ती सबैको समान अधिकार र महत्व छ।",
    "he": "כל בני האדם נולדו בני חורין ושווים בערכם ובזכויותיהם.",
    "th": "มนุษย์ทั้งปวงเกิดมามีอิสระและเสมอภาคกันในเกียรติศักดิ์และสิทธิ",
    "ko": "모든 인간은 태어날 때부터 자유로우며 그 존엄과 권리에 있어 동등하다.",
    "ja": "すべての人間は、生まれながらにして自由であり、かつ、尊厳と権利とについて平等である。",
    "zh": "人人生而自由,在尊严和权利上一律平等。",
    "bn": "সমস্ত মানুষ স্বাধীনভাবে সমান মর্যাদা এবং অধিকার নিয়ে জন্মগ্রহণ করে।",
    "ta": "மனிதப் பிறவியினர் சகலரும் சுதந்திரமாகவே பிறக்கின்றனர்.",
    "te": "మానవులెల్లరును జన్మతః స్వతంత్రులును సమానులును నగుదురు.",
    "kn": "ಎಲ್ಲಾ ಮಾನವರೂ ಸ್ವತಂತ್ರರಾಗಿಯೇ ಜನಿಸಿದ್ದಾರೆ.",
    "gu": "સર્વ માનવો જન્મથી સ્વતંત્ર અને સમાન હોય છે.",
    "pa": "ਸਾਰਾ ਮਨੁੱਖੀ ਪਰਿਵਾਰ ਆਪਣੀ ਮਹਿਮਾ, ਸ਼ਾਨ ਅਤੇ ਹੱਕਾਂ ਦੇ ਪੱਖੋਂ ਜਨਮ ਤੋਂ ਹੀ ਆਜ਼ਾਦ ਹੈ।",
    "ml": "മനുഷ്യരെല്ലാവരും തുല്യാവകാശങ്ങളോടും അന്തസ്സോടും ജനിച്ചിട്ടുള്ളവരാണ്.",
}


@pytest.mark.parametrize("language", ARTICLE_1)
def test_languages_are_told_apart(language: str) -> None:
    assert language_of(ARTICLE_1[language]) == language
    if (
        language_of(ARTICLE_1[language].upper()) is not None
    ):  # capitals do not hide it, where a script has any
        assert language_of(ARTICLE_1[language].upper()) == language


def test_what_has_no_language_has_none() -> None:
    assert language_of("42 + 7 = 49 !") is None
    assert language_of("Reims Lyon Brest") is None
    assert language_of("ሰላም ለዓለም") == "other"
    assert set(ARTICLE_1) <= LANGUAGES


@pytest.mark.shared
@pytest.mark.parametrize(
    ("name", "language"), [("en-de", "de"), ("en-fr", "fr"), ("en-zh", "zh"), ("zh-en", "en")]
)
def test_three_sentences_of_news_are_enough(name: str, language: str, shared_rows: Any) -> None:
    targets = [row["target"] for row in shared_rows(f"translation_ntrex_{name}")]
    texts = [" ".join(targets[place : place + 3]) for place in range(0, len(targets), 3)]
    assert [text for text in texts if language_of(text) != language] == []


@given(st.text(max_size=80))
def test_any_text_has_a_verdict(text: str) -> None:
    for kind, function in COUNTS.items():
        options = {"keyword": {"keyword": "a"}, "letter": {"letter": "a"}, "sections": {"marker": "a"}}
        assert function(text, **options.get(kind, {})) >= 0
    for name in INSTRUCTIONS:
        if name in {"detectable_format:json_format", "combination:two_responses", "startend:quotation"}:
            instruction_of(name, {}, "here").broken(text)
    language_of(text)


def sample(*constraints: dict[str, Any], **others: Any) -> Sample:
    return Sample("s", {"prompt": "?"}, metadata={"constraints": list(constraints), **others})


def generation(text: str | None) -> Generation:
    return Generation("s", 0, Response(text or ""), text, None if text is not None else "refused")


SHORT = {"type": "words", "max": 3}
COMMA = {"type": "no_commas"}


def test_prompts_and_instructions_are_counted_apart() -> None:
    """By hand: answers follow 2 of 2, 1 of 2 and 0 of 1; prompt level 1/3, instruction level 3/5."""
    samples = [sample(SHORT, COMMA), sample(SHORT, COMMA), sample(COMMA)]
    metric = Constraints().bind(samples)
    answers = [generation("one two"), generation("one, two"), generation("one, two")]
    rows = metric.statistics(answers, samples)
    assert rows.tolist() == [[2, 2, 2, 1, 1, 1], [1, 1, 2, 0, 0, 1], [0, 0, 1, 0, 0, 1]]
    values = dict(zip(metric.names, metric.aggregate(rows, np.ones((1, 3)))[0].tolist(), strict=True))
    assert values == pytest.approx(
        {
            "prompt_strict": 1 / 3,
            "instruction_strict": 3 / 5,
            "prompt_loose": 1 / 3,
            "instruction_loose": 3 / 5,
        }
    )
    weighted = metric.aggregate(rows, np.array([[2.0, 0.0, 1.0], [0.0, 0.0, 0.0]]))
    assert weighted[0].tolist() == pytest.approx([2 / 3, 4 / 5, 2 / 3, 4 / 5])
    assert np.isnan(weighted[1]).all()


def test_loose_forgives_a_first_line_a_last_line_and_asterisks() -> None:
    """Each constraint may be followed by another of the eight texts, as in evaluation_lib.py."""
    one = sample({"type": "starts_with", "phrase": "Once"}, {"type": "ends_with", "phrase": "end."})
    text = "Sure, here it is:\n**Once** there was an *end.*\nI hope that helps!"
    row = Constraints().statistics([generation(text)], [one])[0]
    assert row.tolist() == [0, 2, 2, 0, 1, 1]
    assert len(loosened(text)) == 8
    assert loosened("plain") == ["plain", ""]


def test_nothing_follows_nothing() -> None:
    rows = Constraints().statistics([generation(None), generation(" ")], [sample(COMMA)] * 2)
    assert rows[:, [0, 1, 3, 4]].sum() == 0


def test_bounds_are_none_and_all() -> None:
    metric = Constraints()
    ends = np.stack(metric.bounds(sample(SHORT, COMMA)))
    assert metric.aggregate(ends, np.eye(2)).tolist() == [[0.0] * 4, [1.0] * 4]


def test_trials_are_averaged() -> None:
    metric = Constraints()
    rows = metric.statistics([generation("a"), generation("a, b")], [sample(COMMA)] * 2)
    assert metric.aggregate(metric.combine(rows)[np.newaxis], np.ones((1, 1)))[0].tolist() == [0.5] * 4


def test_explain_names_the_broken_ones() -> None:
    one = sample({"type": "words", "min": 3}, COMMA, {"type": "must_contain", "texts": ["fox"]})
    explained = Constraints().explain(generation("a, b"), one)
    assert explained == "follows 0 of 3; words: 2, at least 3; no_commas: 1 commas; must_contain: lacks 'fox'"
    assert Constraints().explain(generation(None), one) == "follows none of 3 (refused)"
    assert Constraints().explain(generation("the fox ran"), one) == "follows 3 of 3"


def test_ifevals_own_columns_are_read_with_their_nulls() -> None:
    one = Sample(
        "s",
        {"prompt": "?"},
        metadata={
            "instruction_id_list": ["punctuation:no_comma", "length_constraints:number_words"],
            "kwargs": [{"num_words": None}, {"relation": "less than", "num_words": 3, "keywords": None}],
        },
    )
    metric = Constraints().bind([one])
    rows = metric.statistics([generation("one two"), generation("one two three")], [one, one])
    assert rows[:, 0].tolist() == [2, 1]
    assert "length_constraints:number_words: 3, at most 2" in metric.explain(generation("one two three"), one)


def test_a_column_may_hold_json_and_have_another_name() -> None:
    one = Sample("s", {"prompt": "?", "rules": json.dumps([COMMA])})
    assert Constraints(column="rules").bind([one]).statistics([generation("a")], [one])[0, 0] == 1


def test_the_metric_can_be_pickled_and_rebuilt() -> None:
    metric = pickle.loads(pickle.dumps(Constraints(column="rules")))
    assert Constraints(**json.loads(json.dumps(metric.options))).column == "rules"
    assert metric.signature == metric.key == "rules:1"
    assert metric.headline == ("prompt_strict", "instruction_strict")
    assert pickle.loads(pickle.dumps(constraint_of(SHORT, "here"))).broken("a") is None


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({}, r'has no column "constraints" with a list of constraints, nor IFEval\'s'),
        ({"constraints": []}, "has no column"),
        ({"constraints": "words"}, "constraints must be a list"),
        ({"constraints": ["words"]}, "a constraint is written"),
        ({"constraints": [{"type": "word", "min": 1}]}, 'no constraint "word".*words'),
        ({"constraints": [{"type": "words", "mim": 1}]}, "words has no option mim.*min, max, exact, runs"),
        ({"constraints": [{"type": "words", "min": "3"}]}, 'words.min must be a whole number, not "3"'),
        ({"constraints": [{"type": "keyword", "min": 3}]}, "keyword needs keyword"),
        ({"constraints": [{"type": "must_contain", "texts": "a"}]}, "must be a list of texts"),
        ({"constraints": [{"type": "language", "language": "tlh"}]}, 'the language "tlh" is none of those'),
        ({"constraints": [{"type": "json_schema", "schema": {"type": 3}}]}, "json_schema.schema: .*type"),
        ({"instruction_id_list": ["no:such"], "kwargs": [{}]}, 'IFEval has no instruction "no:such"'),
        ({"instruction_id_list": ["keywords:frequency"], "kwargs": [{}]}, "lacks its argument"),
        ({"instruction_id_list": ["punctuation:no_comma"], "kwargs": []}, "1 instructions and 0 kwargs"),
    ],
)  # fmt: skip
def test_mistakes_are_named_before_anything_is_asked(given: dict[str, Any], words: str) -> None:
    with pytest.raises(MetricError, match=f'constraints: sample "s".*(?:{words})'):
        Constraints().bind([Sample("s", {"prompt": "?"}, metadata=given)])


def test_every_reference_of_the_benchmark_follows_its_constraints() -> None:
    lines = (shipped("benchmarks") / "generation" / "data.jsonl").read_text("utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    samples = [Sample(row["id"], {"prompt": row["prompt"]}, metadata=row) for row in rows]
    metric = Constraints().bind(samples)
    right = [Generation(row["id"], 0, Response(""), row["reference"]) for row in rows]
    wrong = [Generation(row["id"], 0, Response(""), "Non, rien de; ce genre! Et voilà.") for row in rows]
    assert metric.statistics(right, samples)[:, 3].all()
    assert not metric.statistics(wrong, samples)[:, 4].any()
    assert len(rows) == 42
    assert len({one["type"] for row in rows for one in row["constraints"]}) == 30
