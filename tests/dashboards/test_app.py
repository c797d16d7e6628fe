"""The pages as Streamlit runs them, without a browser: what they say in every state of the store."""

import time
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

import headwater.dashboards
from headwater.streaming.store.reader import Reader
from headwater.streaming.store.writer import Batch, Store
from tests.dashboards import story

APP = Path(headwater.dashboards.__file__).parent / "app.py"


def run(url: str, monkeypatch: pytest.MonkeyPatch, page: str = "", **query: str) -> AppTest:
    monkeypatch.setenv("HEADWATER_STORE", url)
    app = AppTest.from_file(str(APP), default_timeout=60)
    if page:
        app.run()
        app.switch_page(f"app_pages/{page}.py")
    for key, value in query.items():
        app.query_params[key] = value
    app.run()
    assert not app.exception, [e.value for e in app.exception]
    return app


def said(app: AppTest) -> str:
    """Everything a reader can read, without the escapes."""
    kinds = (app.title, app.header, app.markdown, app.info, app.warning, app.error, app.code)
    return "\n".join(str(e.value) for kind in kinds for e in kind).replace("\\", "")


def test_live_page_shows_the_store_s_numbers(store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    app = run(store, monkeypatch)
    found = {m.label: m.value for m in app.metric}
    counters = Reader(store).status()["counters"].value
    assert found["Late"] == str(counters["late_samples"])
    assert found["Dead letters"] == str(counters["dead_letters"])
    assert found["Incidents"] == "1"
    assert not app.error
    assert len(app.get("echarts_chart")) == 2
    assert "INC-2 is open; 4 of 22 metrics are over their threshold now." in said(app)


def test_live_page_narrows_to_a_picked_metric_and_its_unit(store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    app = run(store, monkeypatch, values="own units", range="1 h")
    app.multiselect(key="metric").set_value(["db|latency_p99"]).run()
    assert not app.exception
    assert "Own units. Bold: 1; behind them in grey: 0." in said(app)
    spec = app.get("echarts_chart")[0].proto.spec
    assert '"name": "ms"' in spec or '"name":"ms"' in spec


def test_a_silent_worker_is_a_red_strip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    url = story.write(tmp_path / "old.db", now=time.time() - 3600)
    app = run(url, monkeypatch)
    assert len(app.error) == 1
    assert "silent for 1 h 00 min" in app.error[0].value
    stopped = story.write(tmp_path / "stopped.db", now=time.time() - 3600, state="stopped")
    app = run(stopped, monkeypatch)
    assert not app.error
    assert "The worker stopped at" in said(app)


def test_incident_page_names_the_cause_first(store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    app = run(store, monkeypatch, "incident")
    assert app.header[0].value == r":orange[◆] INC-2 · Likely cause\: vllm-a"
    ranked = Reader(store).rankings(story.SYSTEM, "INC-2")[-1]
    tables = [d.value for d in app.dataframe]
    services = next(t for t in tables if "first metric" in t)
    assert services["service"].tolist() == [s.entity for s in ranked.services]
    assert "headwater incidents show INC-2" in said(app)
    assert "No KPI configured" not in said(app)
    assert {m.label: m.value for m in app.metric}["Lasting"] == "4 min 59 s", "it still lasts"


def test_a_deep_link_opens_its_incident(store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    app = run(store, monkeypatch, "incident", incident="INC-1", system=story.SYSTEM)
    assert "INC-1 · No cause named yet" in said(app)
    assert "No window of raw values was kept" in said(app)
    missing = run(store, monkeypatch, "incident", incident="INC-99")
    assert "There is no incident INC-99 here" in said(missing)
    assert "INC-2 · Likely cause: vllm-a" in said(missing)


def test_choosing_an_incident_puts_it_into_the_address(store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    app = run(store, monkeypatch, "incident")
    app.selectbox(key="chosen").set_value("INC-1").run()
    assert app.query_params["incident"] == "INC-1"
    assert "INC-1 ·" in app.header[0].value


def test_without_a_kpi_the_page_says_where_the_walk_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    url = story.write(tmp_path / "nokpi.db", now=time.time() + 600, kpi="")
    assert "No KPI configured: the walk started from the joint anomaly." in said(run(url, monkeypatch, "incident"))


@pytest.mark.parametrize("page", ["", "incident"])
def test_empty_states_name_the_exact_command(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nothing = said(run(f"sqlite:///{tmp_path / 'none.db'}", monkeypatch, page))
    assert "headwater demo" in nothing
    assert "headwater run --topic metrics" in nothing
    url = f"sqlite:///{tmp_path / 'empty.db'}"
    Store(url).close()
    assert "headwater doctor" in said(run(url, monkeypatch, page))


def test_a_store_without_incidents_points_to_the_live_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    url = f"sqlite:///{tmp_path / 'quiet.db'}"
    with Store(url) as store:
        store.commit(Batch(events=story.events()[:60], series={story.SYSTEM: story.SERIES}, status=story.status()))
    app = run(url, monkeypatch, "incident")
    assert "No incident of shop so far" in said(app)
    assert "live" in app.page_link[0].label


def test_a_foreign_file_is_an_error_with_its_mend(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "x.db").write_text("not a database, but long enough to be taken for one " * 40)
    app = run(f"sqlite:///{tmp_path / 'x.db'}", monkeypatch)
    assert len(app.error) == 1


def test_with_two_systems_there_is_a_picker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    url = story.write(tmp_path / "two.db", now=time.time() + 600)
    with Store(url, clock=lambda: time.time() + 600) as store:
        store.commit(Batch(series={"another": story.SERIES[:2]}))
    app = run(url, monkeypatch)
    assert app.selectbox(key="system").options == ["another", "shop"]
    assert "No rows of another in this range" in said(app)
    app.selectbox(key="system").set_value("shop").run()
    assert not app.exception
    assert len(app.get("echarts_chart")) == 2
