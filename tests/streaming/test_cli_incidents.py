"""Incidents on the command line: how they are listed, shown and exported, and how the worker is asked."""

import json
import re
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from headwater.streaming import wording
from headwater.streaming.cli import report
from headwater.streaming.records import Changed, EvidenceWindow, Incident, Ranked, Series, Triggered
from headwater.streaming.store.batch import Answer, Batch
from headwater.streaming.store.reader import Reader
from headwater.streaming.store.writer import Store
from headwater.streaming.suspects import Edge, Hop, ServiceSuspect, Suspect

Run = Callable[..., tuple[int, str, str]]
pytestmark = pytest.mark.usefixtures("nowhere")
TIME = 1_700_000_000.0


OPEN = Incident(
    "shop", "INC-1", "open", "converged", onset=TIME, opened=TIME + 12, updated=TIME + 60, kpi="gw|p95",
    cause="__db__|wait", service="__db__", answer="named", confidence=0.83, ratio=2.3, batches=2,
    changed=("__db__|wait", "gw|[red]"), path=("__db__|wait", "gw|p95"),
)  # fmt: skip
OLD = Incident("shop", "INC-0", "resolved", "inconclusive", TIME - 900, TIME - 890, TIME - 600, closed=TIME - 600)


@pytest.fixture
def store(tmp_path: Path) -> str:
    url = f"sqlite:///{tmp_path}/shop.db"
    known = {"explained": 0.25, "by": "db|cpu", "value": 2.0, "usual": float("nan"), "sustained": 3.0, "sharp": 2.0}
    metric = Suspect("__db__", "wait", 3.0, 4.0, **known)
    service = ServiceSuspect("db", 3.0, "wait", 2.0, 1.0, 1.0)
    edges = (Edge("__db__|wait", "front|latency", 0.5, 2, "dependent"),)
    ranked = [
        Ranked(
            "shop", TIME + 20 * b, 1, "INC-1", b, (metric,), (service,), edges, OPEN.path, 0.9, 0.8, "converged", 0.83
        )
        for b in (1, 2)
    ]
    events = [
        Triggered("shop", TIME + 10, 0, TIME, "metric", 9.0, (("db|wait", 0.9),), incident="INC-1"),
        Changed("shop", TIME - 600, 0, "resolved", OLD),
        *ranked,
        Changed("shop", TIME + 60, 0, "converged", OPEN, by="ann", note="looking"),
    ]
    window = EvidenceWindow("shop", "INC-1", ("db|wait",), *(as_array(v) for v in ([TIME], [[1.5]])))
    with Store(url) as writer:
        writer.commit(Batch(events=events, evidence=[window], series={"shop": (Series("shop", "db", "wait"),)}))
    return url


def as_array(values: Any) -> Any:
    import numpy as np

    return np.array(values, np.float32 if isinstance(values[0], list) else np.float64)


def test_incidents_list(hw: Run, store: str) -> None:
    code, out, err = hw("incidents", "list", "--store", store)
    assert (code, err) == (0, "")
    rows = [re.split(r"  +", line) for line in out.splitlines()]
    assert rows[0] == ["id", "system", "state", "cause is", "cause", "onset", "opened after", "lasted from onset"]
    assert rows[1] == ["INC-1", "shop", "open", "converged", "__db__|wait", "2023-11-14 22:13:20Z", "12 s", "1 min 0 s"]
    assert rows[2][0] == "INC-0"
    found = json.loads(hw("incidents", "list", "--store", store, "--state", "resolved", "--json")[1])
    assert [(row["id"], row["closed"]) for row in found] == [("INC-0", TIME - 600)]
    _, out, err = hw("incidents", "list", "--store", store, "--state", "dismissed")
    assert (out, err) == ("", "no incident is dismissed\n")
    assert json.loads(hw("incidents", "list", "--store", store, "--state", "dismissed", "--json")[1]) == []


def test_incidents_show_and_export_tell_the_same(hw: Run, store: str) -> None:
    shown = json.loads(hw("incidents", "show", "INC-1", "--store", store, "--json")[1])
    assert list(shown) == ["schema", "incident", "late", "rankings", "events"]
    assert (shown["schema"], shown["late"], shown["incident"]["cause"]) == (1, False, "__db__|wait")
    assert [ranked["batch"] for ranked in shown["rankings"]] == [1, 2]
    assert shown["rankings"][0]["metrics"][0]["usual"] is None, "NaN has no JSON"
    assert [event["type"] for event in shown["events"]] == ["triggered", "changed"]
    exported = json.loads(hw("incidents", "export", "INC-1", "--store", store)[1])
    assert exported.pop("evidence") == {"names": ["db|wait"], "times": [TIME], "values": [[1.5]]}
    assert exported == shown


def test_show_is_plain_aligned_lines_off_a_terminal(hw: Run, store: str) -> None:
    code, out, _ = hw("incidents", "show", "INC-1", "--store", store)
    lines = out.splitlines()
    assert code == 0
    assert lines[0] == "INC-1 open: likely cause __db__|wait (converged, margin -, confidence 83 %)"
    assert "path             __db__|wait → gw|p95" in lines
    assert "1  __db__|wait  3      nan → 2      4         3        2      0       25% by db|cpu  0.00" in lines
    assert "lasted           1 min 0 s from the onset, so far" in lines
    assert "\\" not in out
    for column, says in (wording.SERVICES | wording.METRICS).items():
        assert f"{column}: {says}" in lines


def test_show_draws_names_as_they_are_on_a_terminal(
    hw: Run, store: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    out = hw("incidents", "show", "INC-1", "--store", store)[1]
    assert re.search(r"1 +__db__\|wait +3 ", out)
    assert "gw|[red]" in out, "not read as markup"


def test_export_as_graphml_holds_the_edges_of_the_last_ranking(hw: Run, store: str) -> None:
    import networkx as nx

    code, out, _ = hw("incidents", "export", "INC-1", "--store", store, "--format", "graphml")
    assert code == 0
    edge = nx.parse_graphml(out).edges["__db__|wait", "front|latency"]
    assert edge == {"weight": 0.5, "lag": 2, "part": "dependent"}


def test_export_as_markdown_shows_names_as_they_are(hw: Run, store: str, tmp_path: Path) -> None:
    assert hw("incidents", "export", "INC-1", "--store", store, "--format", "md", "-o", "a.md")[:2] == (0, "")
    text = (tmp_path / "a.md").read_text()
    assert text.startswith(r"# INC-1 open: likely cause \_\_db\_\_\|wait (converged, margin -, confidence 83 %)" + "\n")
    assert (
        r"| 1 | \_\_db\_\_\|wait | 3     | nan → 2     | 4        | 3       | 2     | 0      | 25% by db\|cpu | 0.00 |"
        in text
    )
    assert "| 2023-11-14 22:14:20Z | converged | by ann: looking" in text
    assert hw("incidents", "export", "INC-1", "--store", store, "-o", "gone/a.md")[0] == 2


@pytest.mark.parametrize(
    ("answer", "margin", "said"),
    [
        ("named", 1.5, "likely cause __db__|wait (converged, margin 1.50, confidence 83 %)"),
        ("weak", 0.0, "weak suspicion __db__|wait (converged, margin -, confidence 83 %)"),
        (
            "nothing",
            0.0,
            "best guess __db__|wait (converged, margin -, confidence 83 %: nothing unusual in what is measured)",
        ),
        (
            "outside",
            0.0,
            "best guess __db__|wait (converged, margin -, confidence 83 %: the KPIs suffer, and nothing else that is"
            " measured is unusual)",
        ),
    ],
)
def test_a_cause_is_named_as_firmly_as_the_evidence_allows(answer: str, margin: float, said: str) -> None:
    incident = msgspec.structs.replace(OPEN, answer=answer, margin=margin)
    assert report.headline(incident) == f"INC-1 open: {said}"


@pytest.mark.parametrize(
    ("place", "said"), [(1, "db|io, which was place 1"), (0, "db|io, which was not among the first")]
)
def test_a_verdict_is_told_with_the_place_that_it_had(place: int, said: str) -> None:
    assert summary(verdict="db|io", place=place)["verdict"] == said
    assert "verdict" not in summary()


def test_a_linked_incident_names_the_other() -> None:
    assert summary(linked="INC-0")["linked to"] == "INC-0, which was open when other metrics changed"
    assert "linked to" not in summary()


def summary(*similarity: float, changed: int = 2, **fields: Any) -> dict[str, str]:
    incident = msgspec.structs.replace(OPEN, changed=tuple(f"m{k}|x" for k in range(changed)), **fields)
    ranked = Ranked("shop", TIME, 1, "INC-1", 0, (), (), (), (), 0.0, 0.8, "converged", 0.83)
    rankings = [msgspec.structs.replace(ranked, batch=b, similarity=s) for b, s in enumerate(similarity, 3)]
    first = report.sections({"incident": incident, "late": False, "rankings": rankings, "events": []})[0]
    return {row[0]: row[1] for row in first.rows}


def test_the_path_is_told_step_by_step_and_calls_that_were_added_are_shown() -> None:
    hops = (Hop("db|disk", "db|latency", 0.4, 1, 0.6, "learned"), Hop("db|latency", "gw|p95", 0.0, 0, 0.25, "call"))
    ranked = Ranked("shop", 9.0, 0, "INC-1", 0, (), (), (), (), 1.0, 1.0, "converged", 0.8, hops=hops)
    ranked = msgspec.structs.replace(ranked, added=(("gw", "db"),))
    incident = Incident("shop", "INC-1", "open", "converged", 0.0, 5.0, 9.0)
    first, path, *_ = report.sections({"incident": incident, "rankings": [ranked], "late": False, "events": []})
    assert ("calls added", "gw → db: in no call graph, but the data show them") in first.rows
    assert path.rows == [
        ("db|disk → db|latency", "learned: weight 0.40, 1 row later", "60%"),
        ("db|latency → gw|p95", "called", "25%"),
    ]


def test_a_list_that_is_cut_says_so() -> None:
    assert summary(changed=10)["changed metrics"].endswith("m9|x")
    assert summary(changed=15)["changed metrics"].startswith("15: m0|x")
    assert summary(changed=15)["changed metrics"].endswith("m9|x, …")


def test_a_ranking_that_moved_after_it_settled_is_not_called_stable() -> None:
    assert summary(0.95, 0.91)["ranking"] == "The ranking and the graph have stopped changing."
    assert summary(0.95, 0.26)["ranking"] == "It was stable at batch 3; it has moved since (agreement 0.26)."
    assert "ranking" not in summary()


def test_a_system_that_is_not_there_is_said(hw: Run, store: str) -> None:
    code, out, err = hw("incidents", "list", "--system", "nope", "--store", store)
    assert (code, out) == (2, "")
    assert "there is no system 'nope'" in err
    assert "systems: shop" in err


def test_unknown_incidents_and_missing_stores(hw: Run, store: str) -> None:
    code, _, err = hw("incidents", "show", "INC-11", "--store", store)
    assert code == 1
    assert "did you mean 'INC-1'" in err
    code, out, err = hw("incidents", "list", "--store", "gone.db")
    assert (code, out) == (3, "")
    assert len(err.splitlines()) == 3
    assert not Path("gone.db").exists()


@pytest.mark.parametrize(("verb", "kind"), [("ack", "acknowledge"), ("resolve", "resolve"), ("dismiss", "dismiss")])
def test_commands_wait_when_no_worker_runs(hw: Run, store: str, verb: str, kind: str) -> None:
    code, out, _ = hw("incidents", verb, "INC-1", "--by", "ann", "--note", "hm", "--store", store)
    assert code == 0
    assert out == "waiting: no worker is running on this store; it will be applied when one starts\n"
    with Store(store) as writer:
        (command,) = writer.waiting_commands()
    assert (command.system, command.kind, command.incident, command.by, command.note) == (
        "shop",
        kind,
        "INC-1",
        "ann",
        "hm",
    )


@pytest.mark.parametrize(
    ("state", "code", "out", "err"),
    [
        ("applied", 0, "what\nwhy\nmend\n", ""),
        ("refused", 1, "", "error: the worker refused: what\n  why: why\n  fix: mend\n"),
    ],
)
def test_commands_tell_what_the_worker_answered(hw: Run, store: str, state: str, code: int, out: str, err: str) -> None:
    ready, over = threading.Event(), threading.Event()

    def work() -> None:
        with Store(store) as writer:
            ready.set()
            while not over.wait(0.01):
                answers = [Answer(command.id, state, "what\nwhy\nmend", None) for command in writer.waiting_commands()]
                if answers:
                    writer.commit(Batch(answers=answers))

    worker = threading.Thread(target=work)
    worker.start()
    try:
        assert ready.wait(10)
        found = hw("incidents", "ack", "INC-1", "--store", store)
    finally:
        over.set()
        worker.join()
    assert found[:2] == (code, out)
    assert found[2].startswith(err)


def test_a_busy_worker_is_not_waited_for_longer_than_said(hw: Run, store: str) -> None:
    with Store(store):
        code, out, _ = hw("incidents", "ack", "INC-1", "--store", store, "--wait", "0")
    assert code == 0
    assert out.startswith("waiting: the worker has not come to it yet")


def queued(url: str) -> list[tuple[str, ...]]:
    found = Reader(url).commands()
    return [(c.system, c.kind, c.incident, c.cause, c.effect, c.by, c.note) for c in found]


def test_a_verdict_is_queued_with_the_incident_and_the_cause(hw: Run, store: str) -> None:
    words = ("verdict", "INC-0", "db|io", "--by", "ann", "--note", "full")
    code, out, _ = hw("incidents", *words, "--store", store)
    assert (code, out.startswith("waiting: no worker is running")) == (0, True)
    assert queued(store) == [("shop", "verdict", "INC-0", "db|io", "", "ann", "full")]
    assert hw("incidents", "verdict", "INC-9", "db|io", "--store", store)[0] == 1


@pytest.mark.parametrize("verb", ["confirm-edge", "forbid-edge"])
def test_edges_are_told_to_the_only_system_or_to_the_one_that_is_named(hw: Run, store: str, verb: str) -> None:
    edge = ("incidents", verb, "db|io", "gw|p95", "--store", store, "--by", "ann")
    assert hw(*edge)[0] == hw(*edge, "--system", "shop")[0] == 0
    kind = verb.replace("-", "_")
    assert queued(store) == [("shop", kind, "", "db|io", "gw|p95", "ann", "")] * 2
    code, _, err = hw(*edge, "--system", "shp")
    assert code == 2
    assert "did you mean 'shop'?" in err
    with Store(store) as writer:
        writer.commit(Batch(series={"mall": (Series("mall", "db", "wait"),)}))
    code, _, err = hw(*edge)
    assert code == 2
    assert "which system is meant?" in err
    assert "mall, shop" in err
