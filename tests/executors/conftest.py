from __future__ import annotations

import pytest
from runs import KEY, KEY_ENV


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    """A planted key; the user's own settings stay out."""
    monkeypatch.setenv(KEY_ENV, KEY)
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "OPENAI_ORG_ID", "OPENAI_PROJECT_ID"):
        monkeypatch.delenv(name, raising=False)
