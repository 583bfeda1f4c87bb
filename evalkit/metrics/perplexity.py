"""Perplexity and mean log-probability of answers, by the probabilities that the model itself gave."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from evalkit.later import np
from evalkit.metrics.base import CorpusMetric, options_text
from evalkit.metrics.logprobs import token_logprobs
from evalkit.records import Generation, Sample

if TYPE_CHECKING:
    from evalkit.metrics.base import FloatArray


class _TokenMetric(CorpusMetric):
    """A value of log-probability and number of all tokens of the corpus."""

    maximum: ClassVar[float] = 100.0
    needs_target = False

    @property
    def signature(self) -> str:
        """`per:token|log:natural`."""
        return options_text({"per": "token", "log": "natural"})

    def statistics(self, generations: Sequence[Generation], samples: Sequence[Sample]) -> FloatArray:
        """Return (n, 2): sum of the tokens' log-probabilities, number of tokens; of all turns together.

        MetricError where an answer has no log-probabilities.
        """
        rows = np.zeros((len(generations), 2))
        for row, generation, sample in zip(rows, generations, samples, strict=True):
            replies = (*generation.earlier, generation.response)
            known = [one for reply in replies for one in token_logprobs(reply, sample.id, self.names[0])]
            row[:] = sum(known), len(known)
        return rows

    def finish(self, sums: FloatArray) -> FloatArray:
        """Return (r, 1) values; NaN where there is no token."""
        tokens = sums[:, 1]
        mean = sums[:, 0] / np.where(tokens > 0, tokens, np.nan)
        return np.asarray(self._of_mean(mean)[:, np.newaxis], dtype=np.float64)

    def explain(self, generation: Generation, sample: Sample) -> str | None:
        """For example `12 tokens, the least likely 'Ulm' with probability 0.031`."""
        found = token_logprobs(generation.response, sample.id, self.names[0])
        if not found:
            return "no token"
        known = [one for one in generation.response.logprobs["content"] if one.get("logprob") is not None]
        least = min(known, key=lambda one: float(one["logprob"]))
        share = f"{float(np.exp(least['logprob'])):.2g}"
        return f"{len(found)} tokens, the least likely {least.get('token')!r} with probability {share}"

    def _of_mean(self, mean: FloatArray) -> FloatArray:
        raise NotImplementedError


class Perplexity(_TokenMetric):
    """exp(-mean log-probability) over all tokens of the answers (Jelinek et al. 1977), from 1 on.

    1 where the model was sure of every token, k where it chose among k as likely ones. It is the model's own
    probability of its own answer at the settings asked with; with `echo` on the completions endpoint the
    prompt's tokens count too, and so a given text can be measured. Lower is more sure, not more right.
    Perplexities of models with different vocabularies do not compare.
    """

    names = ("perplexity",)
    higher_is_better: ClassVar[bool] = False
    unit: ClassVar[str | None] = ""

    def _of_mean(self, mean: FloatArray) -> FloatArray:
        with np.errstate(over="ignore"):
            return np.exp(-mean)


class MeanLogprob(_TokenMetric):
    """Mean natural log-probability of all tokens of the answers, at most 0: minus the log of perplexity."""

    names = ("mean_logprob",)
    unit: ClassVar[str | None] = "nats per token"

    def _of_mean(self, mean: FloatArray) -> FloatArray:
        return mean
