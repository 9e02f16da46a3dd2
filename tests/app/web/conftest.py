"""The pages of one job, over a quarantine in memory."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.app.web.browser import Browser, browser


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Browser]:
    with browser(tmp_path) as made:
        yield made
