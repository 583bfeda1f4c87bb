"""What answers cost, by the tokens that the server counted and the model's prices."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Self

from evalkit.errors import MetricError, did_you_mean
from evalkit.later import np
from evalkit.metrics.base import Metric, options_text
from evalkit.records import Generation, Sample, Usage

if TYPE_CHECKING:
    from evalkit.metrics.base import FloatArray

MILLION = 1_000_000
NEEDED = ("input", "output")
PRICES = (*NEEDED, "cached_input", "batch_discount")


class CostUsd(Metric):
    """US dollars that the answers to a sample cost when they were asked, mean and total.

    `cost_usd` is the mean over samples, all trials and all turns of a conversation together;
    `cost_usd_total` their sum.
    `prices` are US dollars per million tokens: `input`, `output`, `cached_input` (prompt tokens that the
    server had cached; as input where null) and `batch_discount` (the share that the batch API takes off;
    `batch` says that it was used). Null: the model's, as the report's cost has them. Reasoning tokens are
    part of the output and priced so. A sample of whose tokens nobody told (recorded outputs) is left out.
    Prices are in the signature but not in the key: two models are compared by what each costs.
    """

    names = ("cost_usd", "cost_usd_total")
    higher_is_better: ClassVar[bool] = False
    maximum: ClassVar[float] = 100.0
    unit: ClassVar[str | None] = "USD"
    needs_target = False

    def __init__(self, *, prices: Mapping[str, Any] | None = None, batch: bool = False) -> None:
        for name, amount in (prices or {}).items():
            if name not in PRICES:
                raise MetricError(
                    f'cost_usd: unknown price "{name}"{did_you_mean(str(name), PRICES)}; '
                    f"there are {', '.join(PRICES)}"
                )
            if amount is None and name not in NEEDED:
                continue
            if isinstance(amount, bool) or not isinstance(amount, int | float) or not 0 <= amount < np.inf:
                raise MetricError(f"cost_usd: prices.{name} must be a number of 0 or more, not {amount!r}")
        if prices is not None and any(name not in prices for name in NEEDED):
            raise MetricError("cost_usd: prices need both input and output, US dollars per million tokens")
        self.prices: dict[str, Any] | None = None
        if prices is not None:
            self.prices = {name: prices.get(name) for name in PRICES}
        self.batch = batch

    @property
    def signature(self) -> str:
        """For example `per:sample|prices:input=2.5,output=10,cached_input=1.25`."""
        known = self.prices or {}
        told = ",".join(f"{name}={amount:g}" for name, amount in known.items() if amount is not None)
        return options_text(
            {"per": "sample", "prices": told or "model", **({"batch": True} if self.batch else {})}
        )

    @property
    def key(self) -> str:
        """The signature without the prices: what another model costs is what is compared."""
        return options_text({"per": "sample"})

    @property
    def headline(self) -> tuple[str, ...]:
        """The mean: the total says the same of as many samples."""
        return self.names[:1]

    def priced(self, prices: Mapping[str, Any] | None, *, batch: bool) -> Self:
        """Return the metric with the model's prices, unless it was given its own."""
        if self.prices is not None or prices is None:
            return self
        return type(self)(prices={name: prices.get(name) for name in PRICES}, batch=batch)

    def bind(self, samples: Sequence[Sample]) -> Self:  # noqa: ARG002
        """Check that there are prices."""
        if self.prices is None:
            raise MetricError(
                "cost_usd: no prices are known for this model; set model.prices.input and "
                "model.prices.output (US dollars per million tokens), or leave the metric out"
            )
        return copy.copy(self)

    def statistics(
        self,
        generations: Sequence[Generation],
        samples: Sequence[Sample],  # noqa: ARG002
    ) -> FloatArray:
        """Return (n, 2): US dollars, 1 where the tokens are known.

        Where one request brought several answers, the first has the cost of all.
        """
        rows = np.zeros((len(generations), 2))
        for row, generation in zip(rows, generations, strict=True):
            for response in (*generation.earlier, generation.response):
                if response.usage is not None:
                    row[:] = row[0] + self._price(response.usage), 1.0
        return rows

    def combine(self, trials: FloatArray) -> FloatArray:
        """Add up the trials of a sample."""
        return np.array([trials[:, 0].sum(), trials[:, 1].max()])

    def finish(self, sums: FloatArray) -> FloatArray:
        """Return (r, 2): mean and total; NaN where no cost is known."""
        known = sums[:, 1] > 0
        total = np.where(known, sums[:, 0], np.nan)
        return np.stack([total / np.where(known, sums[:, 1], 1.0), total], axis=1)

    def explain(self, generation: Generation, sample: Sample) -> str | None:  # noqa: ARG002
        """For example `812 prompt tokens (512 cached) and 40 of the answer: 0.00143 USD`."""
        usage = generation.response.usage
        if usage is None or self.prices is None:
            return None
        cached = f" ({usage.cached} cached)" if usage.cached else ""
        tokens = f"{usage.prompt} prompt tokens{cached} and {usage.completion} of the answer"
        return f"{tokens}: {self._price(usage):.3g} USD"

    def _price(self, usage: Usage) -> float:
        """As evalkit/budget.py prices a run."""
        prices = self.prices
        assert prices is not None
        plain, cached_price = prices["input"], prices["cached_input"]
        fresh = max(0, usage.prompt - usage.cached)
        full = fresh * plain + usage.cached * (plain if cached_price is None else cached_price)
        full = (full + usage.completion * prices["output"]) / MILLION
        return float(full * (1.0 - (prices["batch_discount"] or 0.0)) if self.batch else full)
