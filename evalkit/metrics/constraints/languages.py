"""Which language a text is in: by its script, and among languages of one script by letters or stop words.

A guess for whole answers, not for single words: it looks at the script of most words, then at letters that
only one language of that script has (Cyrillic, Arabic), or at which language's most frequent words are most
frequent (Latin, Devanagari). Close relatives (Danish and Norwegian) are told apart by few words.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping

from evalkit.metrics.text import scripted_words

# First and last code point of the scripts that `scripted_words` calls "other".
_BLOCKS = (
    (0x0370, 0x03FF, "greek"), (0x1F00, 0x1FFF, "greek"),
    (0x0400, 0x052F, "cyrillic"), (0x1C80, 0x1C8F, "cyrillic"), (0x2DE0, 0x2DFF, "cyrillic"),
    (0x0530, 0x058F, "armenian"),
    (0x0590, 0x05FF, "hebrew"),
    (0x0600, 0x06FF, "arabic"), (0x0750, 0x077F, "arabic"), (0xFB50, 0xFDFF, "arabic"),
    (0xFE70, 0xFEFF, "arabic"),
    (0x0900, 0x097F, "devanagari"),
    (0x0980, 0x09FF, "bengali"),
    (0x0A00, 0x0A7F, "gurmukhi"),
    (0x0A80, 0x0AFF, "gujarati"),
    (0x0B80, 0x0BFF, "tamil"),
    (0x0C00, 0x0C7F, "telugu"),
    (0x0C80, 0x0CFF, "kannada"),
    (0x0D00, 0x0D7F, "malayalam"),
    (0x10A0, 0x10FF, "georgian"),
)  # fmt: skip
# Scripts that one language stands for; Thai and Lao share an entry of `scripted_words`.
_ALONE = {
    "greek": "el", "armenian": "hy", "hebrew": "he", "bengali": "bn", "gurmukhi": "pa", "gujarati": "gu",
    "tamil": "ta", "telugu": "te", "kannada": "kn", "malayalam": "ml", "georgian": "ka", "hangul": "ko",
    "thai": "th", "khmer": "km", "myanmar": "my",
}  # fmt: skip
_KANA_OF_JAPANESE = 0.1

_LATIN = {
    "en": "the and of to in is that it for was with as on are this be at by not you his her they which "
    "i have has we what from or an can will would their there if but my me more about when how "
    "who these those them should your our been do does did could than then into so up out all "
    "also such use make each between because he she its any some no here please through many most "
    "where",
    "de": "der die das und ist nicht ein eine zu den mit auf für im sich von dem auch es ich sie wird "
    "als wir haben oder aber wie kann sind bei nach aus einen einer durch noch nur wenn über hat "
    "alle werden mehr sehr",
    "fr": "le la les et est une un des du que dans pour pas sur au ce il elle qui avec nous vous sont "
    "plus par je en se ou mais cette ces leur être aux comme fait tout sa son même aussi très "
    "peut",
    "es": "el la los las y es una un que en de por con para no se del al su lo como más pero está son "
    "este esta muy también cuando sin sobre entre ser tiene porque desde todos nos hay puede o yo",
    "it": "il la che e è di una un per non in sono con del della lo gli i le anche si da più come nel "
    "questo questa ma alla dei delle ha essere o io molto tutti dalla sul nella perché cui",
    "pt": "o a os as e é uma um que de do da em para não com no na por se mais como dos das você são ao "
    "pelo pela mas ou seu sua muito também quando está isso eu ser tem nos entre foi todos",
    "nl": "de het een en is van in dat niet op te zijn voor met die aan er ook als maar om wordt deze "
    "naar bij ik je we kan door of worden hebben heeft over uit nog wel alle veel meer zich",
    "sv": "och att det som en är på för av med den till inte har de ett om var jag men så från kan vi "
    "alla ska eller när bara också mycket detta hur",
    "da": "og at det er en af på til der som med for den ikke har de et jeg blev hvor også efter kan vi "
    "alle skal eller når fra men være meget dette hvordan noget af",
    "no": "og det er en på som for av med til ikke den har de et at jeg ble hvor også etter noe kan vi "
    "alle skal eller når fra men være mye dette hvordan av",
    "fi": "ja on ei se että hän oli ovat mutta kun niin myös joka tämä ole minä voi sekä tai kanssa "
    "kaikki ovat hyvin sen olla mukaan jotka",
    "pl": "i w na nie się z jest to do że a jak o po co tak za od czy przez są oraz ale dla tym może "
    "być już jego który wszystkie ich ma",
    "cs": "a v se na je že s z do o i jako by pro ale jsou po který když také tak jeho nebo má být "
    "které si to své všichni jen",
    "ro": "și în de la o a este că cu un pe nu din pentru sunt mai care se au ca sau fi ce prin dar "
    "foarte toate lor al ale această",
    "hu": "a az és hogy nem is egy van de ez azt csak meg mint el már volt vagy ha minden nagyon lehet "
    "amely sem kell ezt után",
    "tr": "ve bir bu da de için çok ile ne gibi daha olarak olan var ama en kadar sonra değil her veya "
    "hem mı ise bütün tarafından",
    "id": "yang dan di ini itu dengan untuk tidak dari dalam adalah pada ke akan juga ada saya bisa "
    "atau oleh sebagai mereka semua karena lebih kami",
    "vi": "và của là có không được cho một các trong người này với đã những để khi đến rất tôi hay phải "
    "về từ mọi nhau như cũng",
    "sw": "na ya wa kwa ni katika la za hii kama hiyo watu sana yake kuwa hivyo lakini pia cha au wote "
    "zaidi huu mtu lazima wao",
}
_DEVANAGARI = {
    "hi": "है और के का की में से हैं को यह नहीं पर एक ने हो था भी जो कि वह",
    "mr": "आहे आणि हे आहेत ते ही या मध्ये नाही होते असे तो ती एक काही मी व केले करण्यासाठी",
    "ne": "छ र हो छन् गर्न पनि लागि भएको थियो मा को का एक यो त्यो हुन्छ गर्छ तपाईं",
}
_BULGARIAN = "и на е от да за се не са с по като това той тя които бе"
_RUSSIAN = "и в не на что с как это по он она но из к у за от так же"

LANGUAGES = frozenset(
    {*_LATIN, *_DEVANAGARI, *_ALONE.values(), "zh", "ja", "ru", "uk", "bg", "ar", "fa", "ur"}
)
"""Every language (ISO 639-1) that `language_of` can answer."""


def language_of(text: str) -> str | None:
    """Return the ISO 639-1 code of the language that most of a text is in; None where it cannot be told.

    A script that is not known here is called "other".
    """
    found = [(word, _script(word, script)) for word, script in scripted_words(text) if script != "number"]
    counts = Counter(script for _, script in found)
    if not counts:
        return None
    script = counts.most_common(1)[0][0]
    if script in {"han", "kana"}:
        kana = counts["kana"] / (counts["han"] + counts["kana"])
        return "ja" if kana >= _KANA_OF_JAPANESE else "zh"
    of_script = [word for word, one in found if one == script]
    return _TOLD[script](of_script) if script in _TOLD else _ALONE.get(script, script)


def _script(word: str, script: str) -> str:
    if script != "other":
        return script
    code = ord(word[0])
    return next((name for first, last, name in _BLOCKS if first <= code <= last), script)


def _most_frequent(words: Iterable[str], lists: Mapping[str, str], otherwise: str | None) -> str | None:
    """Return the language whose frequent words come most; a word of several lists counts for each in part."""
    counts = Counter(words)
    shared = Counter(word for frequent in lists.values() for word in set(frequent.split()))
    hits = {
        language: sum(counts[word] / shared[word] for word in set(frequent.split()))
        for language, frequent in lists.items()
    }
    best = max(hits, key=hits.__getitem__)
    return best if hits[best] else otherwise


def _cyrillic(words: list[str]) -> str:
    letters = Counter("".join(words))
    if any(letters[one] for one in "іїєґ"):
        return "uk"
    if letters["ы"] or letters["э"] or letters["ё"]:
        return "ru"
    return _most_frequent(words, {"ru": _RUSSIAN, "bg": _BULGARIAN}, None) or ("bg" if letters["ъ"] else "ru")


def _arabic(words: list[str]) -> str:
    letters = "".join(words)
    if any(one in letters for one in "ٹڈڑںےھ"):
        return "ur"
    return "fa" if any(one in letters for one in "پچژگ") or letters.count("ی") > letters.count("ي") else "ar"


_TOLD: Mapping[str, Callable[[list[str]], str | None]] = {
    "latin": lambda words: _most_frequent(words, _LATIN, None),
    "devanagari": lambda words: _most_frequent(words, _DEVANAGARI, "hi"),
    "cyrillic": _cyrillic,
    "arabic": _arabic,
}
