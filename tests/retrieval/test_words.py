from __future__ import annotations

import pytest

from evalkit.retrieval.words import Words


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("The E4 code, room_5: 10.5 volts!", ["the", "e4", "code", "room", "5", "10", "5", "volts"]),
        ("Straße, CAFÉ cafe\u0301 ＡＢＣ", ["straße", "café", "café", "abc"]),
        ("नमस्ते दुनिया", ["नमस्ते", "दुनिया"]),  # vowel signs belong to their letters
        ("听雨桥。木桥", ["听雨", "雨桥", "木桥"]),  # no pair across a full stop
        ("S8扫地机", ["s8", "扫地", "地机"]),
        ("茶", ["茶"]),
        ("ดีมาก", ["ดีม", "มา", "าก"]),  # a mark stays with its letter
        ("서울의 다리", ["서울의", "다리"]),
        ("", []),
        ("…—!", []),
    ],
)
def test_words_of_any_script(text: str, words: list[str]) -> None:
    assert Words()(text) == words


def test_characters_and_jieba() -> None:
    assert Words("characters")("听雨桥 ab") == ["听", "雨", "桥", "ab"]
    assert Words("jieba")("清华大学 ab") == ["清华", "华大", "大学", "清华大学", "ab"]


def test_stop_words_go_before_stemming() -> None:
    assert Words(stemmer="english", stopwords="english")("the running of the ferries") == ["run", "ferri"]
    assert Words(stemmer="german")("Häuser") == ["haus"]
    assert Words(stopwords="chinese", tokenizer="characters")("我的桥") == ["桥"]
