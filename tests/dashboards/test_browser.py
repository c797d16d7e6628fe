"""Both pages in a real Chromium: what is read from the page equals the store, and nothing leaves the machine."""

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

import headwater.dashboards
from headwater.dashboards.words import moment, number
from headwater.streaming.store.reader import Reader
from headwater.streaming.store.writer import Batch, Store
from tests.dashboards import story

APP = Path(headwater.dashboards.__file__).parent / "app.py"
PROBES = ("/incident/_stcore/health", "/incident/_stcore/host-config")
"""Streamlit's page asks for these below a deep link first, gets a 404, and goes on to ask at the root."""


@contextmanager
def serving(store: str, folder: Path) -> Iterator[str]:
    """The dashboard as users start it, on a free port of the loopback."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = folder / "streamlit.log"
    command = [sys.executable, "-m", "streamlit", "run", str(APP), "--server.port", str(port)]
    with log.open("w") as output:
        process = subprocess.Popen(
            command, cwd=folder, env={**os.environ, "HEADWATER_STORE": store}, stdout=output, stderr=output
        )
        try:
            _wait(f"http://127.0.0.1:{port}/_stcore/health", process, log)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait(20)


def _wait(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=2):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
    pytest.fail(f"the dashboard did not start:\n{log.read_text()}")


@pytest.fixture(scope="module")
def server(store: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with serving(store, tmp_path_factory.mktemp("server")) as address:
        yield address


class Watched:
    """A page whose requests and console errors are kept."""

    def __init__(self, browser: Any, base: str, path: str, *, width: int = 1280, scheme: str = "light") -> None:
        self.errors: list[str] = []
        self.requests: list[str] = []
        self.base = base
        self.context = browser.new_context(
            viewport={"width": width, "height": 1000}, color_scheme=scheme, timezone_id="America/New_York"
        )
        self.page = self.context.new_page()
        self.page.on("console", self._console)
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.goto(f"{base}/{path}")
        self.page.wait_for_selector("[data-testid=stMetric]", timeout=60_000)
        self.page.wait_for_selector("[data-testid=stECharts] canvas, .stECharts canvas, canvas", timeout=60_000)
        self.page.wait_for_function("document.querySelectorAll('[data-testid=stSkeleton]').length === 0")

    def _console(self, message: Any) -> None:
        probe = message.location.get("url", "").removeprefix(self.base) in PROBES
        if message.type == "error" and not (probe and "404" in message.text):
            self.errors.append(f"{message.text} ({message.location})")

    def metrics(self) -> dict[str, str]:
        """Label → value of every number on the page."""
        cells = self.page.locator("[data-testid=stMetric]").all()
        lines = [[line for line in cell.inner_text().split("\n") if line] for cell in cells]
        return {line[0]: line[1] for line in lines}

    def table(self, column: str) -> list[dict[str, str]]:
        """Rows of the table that has `column`, from what a screen reader is given."""
        found = self.page.locator("[data-testid=stDataFrame] table").filter(
            has=self.page.get_by_text(column, exact=True)
        )
        found.first.wait_for(state="attached", timeout=30_000)
        rows = found.first.evaluate(
            "t => [...t.querySelectorAll('tr')].map(r => [...r.children].map(c => c.textContent))"
        )
        return [dict(zip(rows[0], row, strict=True)) for row in rows[1:]]

    def close(self, screenshot: Path) -> None:
        """Keep a picture, and hold that nothing went wrong or out on the way."""
        self.page.wait_for_timeout(1000)
        tall = self.page.evaluate("document.querySelector('[data-testid=stMainBlockContainer]').scrollHeight")
        self.page.set_viewport_size({"width": self.page.viewport_size["width"], "height": min(int(tall) + 80, 6000)})
        self.page.wait_for_timeout(1000)
        self.page.screenshot(path=screenshot)
        self.context.close()
        assert screenshot.stat().st_size > 20_000
        assert self.errors == []
        hosts = {urlsplit(url).hostname for url in self.requests if not url.startswith(("data:", "blob:"))}
        assert hosts == {"127.0.0.1"}


def test_live_page_shows_the_store(browser: Any, server: str, store: str, tmp_path: Path) -> None:
    live = Watched(browser, server, "?range=1+h")
    status = Reader(store).status()
    found = live.metrics()
    assert found["Late"] == f"{status['counters'].value['late_samples']:,}"
    assert found["Dead letters"] == f"{status['counters'].value['dead_letters']:,}"
    assert found["Input lag"] == f"{status['input'].value['lag_records']:,} records"
    assert found["Incidents"] == str(len(Reader(store).incidents(state="open")))
    assert live.page.get_by_text("INC-2 since 2025-11-24 16:25:00 UTC").count() == 1, "not the browser's time zone"
    ticks = Reader(store).ticks(story.SYSTEM)
    scores = dict(zip(story.NAMES, ticks.scores[-1], strict=True))
    for row in live.table("peak in range"):
        assert float(row["now"]) == pytest.approx(100 * scores[row["metric"]], rel=1e-3)
    alt = f"Scores over threshold; highest joint score {number(float(ticks.joint.max()))}"
    assert live.page.locator(f'[aria-label*="{alt}"]').count() >= 1
    live.page.wait_for_function("document.title.startsWith('(1) INC-2')")
    live.close(tmp_path / "live.png")


def test_incident_page_shows_the_store(browser: Any, server: str, store: str, tmp_path: Path) -> None:
    page = Watched(browser, server, f"incident?incident=INC-2&system={story.SYSTEM}")
    reader = Reader(store)
    incident, ranked = reader.incident("INC-2"), reader.rankings(story.SYSTEM, "INC-2")[-1]
    assert f"Likely cause: {incident.service}" in page.page.locator("h2").first.inner_text()
    found = page.metrics()
    assert found["Margin"] == f"{number(incident.margin)} ×"
    assert found["Batches"] == str(incident.batches)
    services = page.table("first metric")
    assert [row["service"] for row in services] == [s.entity for s in ranked.services]
    assert [float(row["score"]) for row in services] == pytest.approx([s.score for s in ranked.services], rel=1e-3)
    metrics = page.table("abnormal")
    assert [f"{row['service']}|{row['metric']}" for row in metrics] == [m.name for m in ranked.metrics]
    text = page.page.inner_text("main")
    assert [text.index(name.replace("|", " · ")) for name in incident.path] == sorted(
        text.index(name.replace("|", " · ")) for name in incident.path
    )
    graph = "the path runs from " + " to ".join(name.replace("|", " ") for name in ranked.path)
    assert page.page.locator(f'[aria-label*="{graph}"]').count() >= 1
    timeline = page.table("event")
    assert timeline[0]["time (UTC)"] == moment(incident.opened).replace(" UTC", "+00:00"), "not the browser's time zone"
    page.page.get_by_text("The graph as a table").click()
    strongest = sorted(ranked.edges, key=lambda e: -abs(e.weight))
    twin = page.table("lag (rows)")  # a long table holds the rows that can be seen
    assert len(twin) >= 10
    assert [(row["cause"], row["effect"]) for row in twin] == [(e.cause, e.effect) for e in strongest][: len(twin)]
    page.close(tmp_path / "incident.png")


@pytest.mark.parametrize("path", ["", "incident"])
def test_pages_fit_a_telephone_in_the_dark(browser: Any, server: str, path: str, tmp_path: Path) -> None:
    page = Watched(browser, server, path, width=414, scheme="dark")
    assert page.page.evaluate("document.documentElement.scrollWidth") <= 414
    background = page.page.evaluate("getComputedStyle(document.querySelector('[data-testid=stApp]')).backgroundColor")
    assert background == "rgb(15, 20, 27)"
    unnamed = page.page.locator("[data-testid=stECharts]:not(:has([aria-label]))")
    assert unnamed.count() == 0
    page.close(tmp_path / "telephone.png")


def test_the_live_page_follows_the_worker_by_itself(browser: Any, tmp_path: Path) -> None:
    url = story.write(tmp_path / "moving.db", now=time.time() + 600)
    with serving(url, tmp_path) as address:
        live = Watched(browser, address, "?refresh=2+s")
        assert live.metrics()["Late"] == "17"
        with Store(url, clock=lambda: time.time() + 600) as store:
            store.commit(Batch(status={"counters": {**story.status()["counters"], "late_samples": 4242}}))
        live.page.get_by_text("4,242", exact=True).wait_for(timeout=20_000)
        live.close(tmp_path / "moving.png")
