from __future__ import annotations

import pytest
from commands import evalkit
from runs import KEY

__all__ = ["evalkit"]


@pytest.fixture(autouse=True)
def _key(evalkit: object, monkeypatch: pytest.MonkeyPatch) -> None:
    """A planted key, set after the user's own settings are gone."""
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
