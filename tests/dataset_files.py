"""Types of the fixtures that write a file and read it as a dataset."""

from __future__ import annotations

from collections.abc import Callable

from evalkit.datasets.base import Dataset

Read = Callable[..., Dataset]
Refusal = Callable[..., str]
