"""Stores and a browser for the tests of the pages."""

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from headwater.streaming.store.reader import Reader
from tests.dashboards import story

CHROMIUM = "/usr/bin/chromium"
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--no-pings"]


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The whole story, as a worker that still writes left it a moment ago."""
    return story.write(tmp_path_factory.mktemp("store") / "story.db", now=time.time() + 600)


@pytest.fixture
def reader(store: str) -> Iterator[Reader]:
    opened = Reader(store)
    yield opened
    opened.close()


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """A real Chromium. Skips where there is none, except in CI, where that is an error."""
    playwright = pytest.importorskip("playwright.sync_api", reason="no Playwright: pip install -e '.[dev]'")
    path = os.environ.get("HEADWATER_CHROMIUM", CHROMIUM)
    if not Path(path).exists():
        mend = f"no Chromium at {path}: install it, or name one in HEADWATER_CHROMIUM"
        if os.environ.get("CI") == "true":
            pytest.fail(mend)
        pytest.skip(mend)
    with playwright.sync_playwright() as running:
        started = running.chromium.launch(executable_path=path, args=FLAGS)
        yield started
        started.close()
