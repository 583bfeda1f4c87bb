from __future__ import annotations

from pathlib import Path

import pytest

SHARED = Path(__file__).parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of public data sets beside the checkout; their texts never enter the repository."""
    if not SHARED.is_dir():
        pytest.skip(f"the public data sets are not beside the checkout ({SHARED} is absent)")
    return SHARED
