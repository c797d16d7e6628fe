"""Store → tables: what is read is what was written, thinned without losing an extreme."""

from pathlib import Path

import msgspec
import numpy as np
import polars as pl
import pytest

from headwater.dashboards import queries, queries_incident
from headwater.streaming.records import Incident, Ranked, Triggered
from headwater.streaming.store.batch import Batch
from headwater.streaming.store.reader import Reader
from headwater.streaming.store.writer import Store
from tests.dashboards import naive_thin, story

UNTIL = story.START + story.ROWS - 1


def test_store_is_the_argument_then_the_environment_then_the_default() -> None:
    here = {"HEADWATER_STORE": "sqlite:///b.db"}
    assert queries.store_url(["sqlite:///a.db"], here) == "sqlite:///a.db"
    assert queries.store_url(["-q", "tests"], here) == "sqlite:///b.db", "arguments of others are no stores"
    assert queries.store_url([], {}) == "sqlite:///headwater.db"


def test_window_holds_the_rows_of_its_range_column_by_column(reader: Reader) -> None:
    window = queries.window(reader, story.SYSTEM, UNTIL - 899, UNTIL)
    assert window.values.columns == ["time", *story.NAMES]
    assert window.scores.columns == ["time", "joint", *story.NAMES]
    expected = story.values()[-900:].astype(np.float32)
    np.testing.assert_array_equal(window.values.drop("time").to_numpy(), expected)
    assert window.values["time"].cast(pl.Int64).to_list() == [round((UNTIL - 899 + k) * 1e3) for k in range(900)]
    assert window.learning == 1.0


def test_missing_values_are_null_and_an_empty_range_has_no_rows(reader: Reader) -> None:
    silent = queries.window(reader, story.SYSTEM, story.START + 900, story.START + 959)
    assert silent.values["db|disk_bytes"].null_count() == 60
    assert silent.values["db|latency_p99"].null_count() == 0
    nothing = queries.window(reader, story.SYSTEM, UNTIL + 10, UNTIL + 20)
    assert nothing.values.is_empty()
    assert queries.standing(nothing.scores).is_empty()


@pytest.mark.parametrize("rows", [2, 499, 501, 5000])
def test_thinning_keeps_the_extremes_of_every_bucket(rows: int) -> None:
    random = np.random.default_rng(rows)
    times = story.START + np.cumsum(random.integers(1, 4, rows)).astype(np.float64)
    X = random.standard_t(2, (rows, 2)).astype(np.float32)
    X[random.random(X.shape) < 0.1] = np.nan
    thinned = queries.thin(queries.table(times, X, ["a", "b"]))
    assert thinned.height <= queries.POINTS
    assert thinned["time"].is_sorted()
    if rows <= queries.POINTS:
        assert thinned.height == rows
        return
    for j, name in enumerate(("a", "b")):
        low, high = naive_thin.thin(times.tolist(), X[:, j].astype(np.float64).tolist(), queries.POINTS)
        assert set(thinned[name].drop_nulls()) == low | high


def test_a_spike_of_one_row_survives_a_day() -> None:
    X = np.zeros((86_400, 1), np.float32)
    X[50_000] = 7.0
    thinned = queries.thin(queries.table(np.arange(86_400.0), X, ["x"]))
    assert thinned["x"].max() == 7.0
    assert thinned.filter(pl.col("x") == 7.0).height == 1


def test_deviation_counts_in_spreads_of_the_quiet_part() -> None:
    random = np.random.default_rng(3)
    X = random.normal(100.0, 5.0, (2000, 1))
    X[1500:] += 50.0
    table = queries.table(np.arange(2000.0), X.astype(np.float32), ["x"])
    z = queries.deviation(table, quiet_until=1500.0)["x"]
    assert abs(z[:1500].mean()) < 0.1
    assert z[:1500].std() == pytest.approx(1.0, abs=0.1)
    assert z[1500:].mean() == pytest.approx(10.0, abs=1.0)
    constant = queries.table(np.arange(50.0), np.full((50, 1), 4.0, np.float32), ["x"])
    assert queries.deviation(constant)["x"].to_list() == [0.0] * 50


def test_standing_puts_the_nearest_metric_first_and_missing_ones_last() -> None:
    rows = np.array([[0.2, 1.4, np.nan], [0.9, 0.3, np.nan]], np.float32)
    found = queries.standing(queries.table(np.arange(2.0), rows, ["a", "b", "gone"]))
    assert found["metric"].to_list() == ["a", "b", "gone"]
    assert found["peak"].to_list() == pytest.approx([0.9, 1.4, None])


def test_triggers_are_those_of_the_range_and_the_last_one_is_the_newest(reader: Reader) -> None:
    assert [t.incident for t in queries.triggers(reader, story.SYSTEM, story.START, UNTIL)] == ["INC-1", "", "INC-2"]
    assert queries.triggers(reader, story.SYSTEM, story.START + 300, story.START + 600) == []
    last = queries.last_trigger(reader, story.SYSTEM, story.START + 800)
    assert last is not None
    assert last.reason.startswith("no KPI changed")
    assert queries.last_trigger(reader, story.SYSTEM, story.START) is None


def test_a_trigger_is_found_behind_any_number_of_rankings(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'busy.db'}"
    trigger = next(e for e in story.events() if isinstance(e, Triggered))
    ranked = next(e for e in story.events() if isinstance(e, Ranked))
    later = [msgspec.structs.replace(ranked, batch=n, time=trigger.time + n) for n in range(1, 1200)]
    with Store(url) as store:
        store.commit(Batch(events=[trigger, *later]))
    assert queries.triggers(Reader(url), story.SYSTEM, trigger.time, trigger.time + 2000) == [trigger]


def test_overlapping_incidents_are_those_with_a_part_in_the_range(reader: Reader) -> None:
    incidents = reader.incidents(story.SYSTEM)

    def ids(since: float, until: float) -> list[str]:
        return [i.id for i in queries.overlapping(incidents, since, until)]

    assert ids(story.START, UNTIL) == ["INC-2", "INC-1"]
    assert ids(story.START + 331, story.START + 1499) == []
    assert ids(UNTIL, UNTIL + 60) == ["INC-2"], "an open incident has no end yet"


def test_an_open_incident_lasts_until_the_newest_row_and_a_closed_one_until_its_end(reader: Reader) -> None:
    incident, old = reader.incidents(story.SYSTEM)
    assert reader.newest(story.SYSTEM) == UNTIL > incident.updated
    assert queries.end(incident, UNTIL) == UNTIL
    assert queries.end(incident, None) == incident.updated, "retention may have dropped the rows"
    assert queries.end(old, UNTIL) == old.closed
    table = queries.incident_table([incident, old], set(), UNTIL)
    assert table["minutes"].to_list() == pytest.approx([(UNTIL - story.ONSET) / 60, 130 / 60])


def test_incident_table_says_what_the_store_says(reader: Reader) -> None:
    table = queries.incident_table(reader.incidents(), {(story.SYSTEM, "INC-1")})
    assert table["incident"].to_list() == ["INC-2", "INC-1"]
    assert table["found late"].to_list() == [False, True]
    assert table["minutes"].to_list() == pytest.approx([1.0, 130 / 60])


def test_services_and_metrics_keep_the_order_and_the_numbers_of_the_ranking(reader: Reader) -> None:
    ranked = reader.rankings(story.SYSTEM, "INC-2")[-1]
    services = queries_incident.services(ranked)
    assert services["service"].to_list() == [s.entity for s in ranked.services]
    assert services["score"].to_list() == [s.score for s in ranked.services]
    assert services["share"][0] == 100.0
    assert services["first metric"][0] == "kv_cache_usage"
    units = {s.name: s for s in reader.series(story.SYSTEM)}
    metrics = queries_incident.metrics(ranked, units)
    assert metrics["metric"].to_list() == [m.metric for m in ranked.metrics]
    row = metrics.row(by_predicate=(pl.col("service") == "gateway"), named=True)
    assert (row["value"], row["usual"], row["explained"], row["by"]) == ("1.01 s", "0.5 s", "95 %", "vllm-a|ttft_p95")


def test_batches_and_leaders_tell_when_the_first_place_changed(reader: Reader) -> None:
    rankings = reader.rankings(story.SYSTEM, "INC-2")
    table = queries_incident.batches(rankings)
    assert table["batch"].to_list() == list(range(1, 11))
    assert table["first place"].to_list() == ["router"] + ["vllm-a"] * 9
    assert table["same list"].to_list() == [r.similarity for r in rankings]
    leaders = queries_incident.leaders(rankings)
    assert leaders.columns == ["batch", "vllm-a", "gateway", "router"]
    assert leaders["router"].to_list() == [next(s.score for s in r.services if s.entity == "router") for r in rankings]
    assert queries_incident.leaders([]).is_empty()
    assert queries_incident.batches([]).is_empty()


def test_timeline_tells_each_thing_once(reader: Reader) -> None:
    table = queries_incident.timeline(reader.events(story.SYSTEM, incident="INC-2"))
    assert table["event"].to_list() == ["trigger", "opened", "batch 1", "batch 2", "batch 8", "converged"]
    assert table["time"].is_sorted()
    old = queries_incident.timeline(reader.events(story.SYSTEM, incident="INC-1"))
    assert old.row(-1)[1:] == ("resolved", "a backup ran", "ada")
    assert queries_incident.timeline([]).is_empty()


def test_evidence_is_the_window_that_was_kept(reader: Reader) -> None:
    window = queries_incident.evidence(reader, story.SYSTEM, "INC-2")
    assert window.columns == ["time", *story.NAMES]
    np.testing.assert_array_equal(window.drop("time").to_numpy(), story.evidence().values)
    assert queries_incident.evidence(reader, story.SYSTEM, "INC-1").is_empty()


def test_usual_is_what_the_ranking_says_and_nothing_else(reader: Reader) -> None:
    ranked = reader.rankings(story.SYSTEM, "INC-2")[-1]
    first = msgspec.structs.replace(ranked.metrics[0], usual=float("nan"))
    ranked = msgspec.structs.replace(ranked, metrics=(first, *ranked.metrics[1:]))
    assert queries_incident.usual(ranked) == {m.name: m.usual for m in ranked.metrics[1:]}
    assert queries_incident.usual(None) == {}


def test_edges_are_listed_by_strength(reader: Reader) -> None:
    ranked = reader.rankings(story.SYSTEM, "INC-2")[-1]
    table = queries_incident.edges(ranked)
    assert table.height == len(ranked.edges)
    assert table["weight"].abs().is_sorted(descending=True)
    assert table.row(0) == (story.PATH[0], story.PATH[1], 0.82, 1, "in this incident")


def test_the_path_is_told_step_by_step(reader: Reader) -> None:
    table = queries_incident.steps(reader.rankings(story.SYSTEM, "INC-2")[-1])
    assert [*table["from"], table["to"][-1]] == list(story.PATH)
    assert table.row(0)[2:] == ("learned: weight 0.82, 1 row later", "90 %")
    assert table.row(2)[2:] == ("called", "35 %")


def test_newest_row_is_that_of_the_input_and_not_today(reader: Reader) -> None:
    assert queries.newest(reader, now=2e9) == UNTIL


def test_tables_of_nothing_have_their_columns() -> None:
    assert queries.incident_table([], set()).is_empty()
    empty = Incident("s", "INC-1", "open", "collecting", 1.0, 2.0, 2.0)
    assert queries.overlapping([empty], 0.0, 0.5) == []
