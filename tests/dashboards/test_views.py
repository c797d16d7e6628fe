"""Tables → chart options and sentences: pure functions, read here as data."""

import json
import math
from typing import Any

import msgspec
import numpy as np
import polars as pl
import polars.selectors as cs
import pytest

from headwater.dashboards import queries, views_graph, views_incident, views_live
from headwater.dashboards.views_live import Chosen, Overlay
from headwater.dashboards.words import number, plain, span
from headwater.streaming.records import Incident, Ranked
from headwater.streaming.store.reader import Reader
from tests.dashboards import story


def newest(reader: Reader) -> tuple[Incident, Ranked]:
    return reader.incident("INC-2"), reader.rankings(story.SYSTEM, "INC-2")[-1]


# --- the live charts


def standing(**peaks: float) -> pl.DataFrame:
    return pl.DataFrame({"metric": list(peaks), "now": list(peaks.values()), "peak": list(peaks.values())})


def test_what_changed_is_bright_and_the_rest_is_grey() -> None:
    table = standing(**{"joint": 3.0, "a|x": 2.0, "b|x": 0.5, "b|y": 0.1})
    assert views_live.choose(table, ["b|y", "gone|z"], [], []) == Chosen(["b|y", "a|x"], ["b|x"])
    assert views_live.choose(table, [], ["b|x"], []) == Chosen(["b|x"], [])
    assert views_live.choose(table, [], [], ["b"]) == Chosen(["b|x", "b|y"], [])


def test_lines_are_capped() -> None:
    table = standing(**{f"m{k}|x": 2.0 for k in range(500)})
    chosen = views_live.choose(table, [], [], [])
    assert (len(chosen.bright), len(chosen.grey)) == (views_live.BRIGHT, 40)


def live_options(reader: Reader) -> tuple[Chosen, dict[str, Any], dict[str, Any]]:
    since, until = story.START, story.START + story.ROWS - 1
    window = queries.window(reader, story.SYSTEM, since, until)
    overlay = Overlay(reader.incidents(story.SYSTEM), queries.triggers(reader, story.SYSTEM, since, until))
    chosen = views_live.choose(queries.standing(window.scores), reader.incident("INC-2").changed, [], [])
    shown = window.values.select("time", *chosen.bright, *chosen.grey)
    table = views_live.scaled(shown, queries.deviation(shown, story.ONSET), chosen.bright)
    main = views_live.main_chart(queries.thin(table), chosen, overlay, None)
    return chosen, main, views_live.score_chart(queries.thin(window.scores), chosen, overlay)


def test_main_chart_draws_changed_metrics_bold_over_grey_ones(reader: Reader) -> None:
    chosen, option, _ = live_options(reader)
    by_name = {s["name"]: s for s in option["series"]}
    assert chosen.bright[:2] == list(reader.incident("INC-2").changed[:2])
    assert {by_name[n]["lineStyle"]["width"] for n in chosen.bright} == {2}
    assert {by_name[f"{n}~"]["lineStyle"]["width"] for n in chosen.grey} == {1}
    assert option["legend"]["data"] == chosen.bright
    assert option["animation"] is False
    assert option["useUTC"] is True
    assert option["dataset"]["source"].height <= queries.POINTS


def test_a_line_is_drawn_by_distance_and_its_tooltip_tells_the_value(reader: Reader) -> None:
    _, option, _ = live_options(reader)
    name = story.PATH[0]
    drawn = next(s for s in option["series"] if s["name"] == name)
    assert drawn["encode"] == {"x": "time", "y": f"{name}~", "tooltip": [name]}
    table = option["dataset"]["source"]
    assert table[name].max() == pytest.approx(story.values()[:, story.NAMES.index(name)].max(), rel=1e-6)
    steps = {m["label"]["formatter"]: m["yAxis"] for m in option["series"][-2]["markLine"]["data"]}
    assert steps["+10"] == pytest.approx(math.asinh(10 / 4))
    assert option["yAxis"][0]["max"] == table.select(pl.max_horizontal(cs.ends_with("~").max())).item()


def test_values_in_their_own_unit_are_drawn_as_they_are(reader: Reader) -> None:
    window = queries.window(reader, story.SYSTEM, story.START, story.START + 300)
    option = views_live.main_chart(window.values, Chosen(["db|latency_p99"], []), Overlay(), "ms")
    assert option["series"][0]["encode"]["y"] == "db|latency_p99"
    assert option["yAxis"][0]["name"] == "ms"


def test_triggers_without_an_incident_are_small_and_say_why(reader: Reader) -> None:
    for option in live_options(reader)[1:]:
        marks = option["series"][-1]
        small, large = (
            [p for p in marks["markPoint"]["data"] if (p["itemStyle"]["color"] == "transparent") is hollow]
            for hollow in (True, False)
        )
        assert [p["coord"][0] for p in small] == [round((story.START + 705) * 1e3)]
        assert "no incident: no KPI changed" in small[0]["name"]
        assert small[0]["symbolSize"] < large[0]["symbolSize"]
        assert len(large) == 2


def test_incident_spans_start_at_the_onset_and_an_open_one_reaches_the_edge(reader: Reader) -> None:
    _, option, _ = live_options(reader)
    (first, second), end = option["series"][-1]["markArea"]["data"], option["xAxis"]["max"]
    assert first[0] == {"name": "INC-2", "xAxis": round(story.ONSET * 1e3)}
    assert first[1]["xAxis"] == end
    assert (second[0]["name"], second[1]["xAxis"]) == ("INC-1", round((story.START + 330) * 1e3))


def test_score_chart_is_linear_until_a_score_outgrows_it(reader: Reader) -> None:
    table = queries.table(np.arange(2.0), np.array([[0.0], [0.8]], np.float32), ["joint"])
    axis = views_live.score_chart(table, Chosen([], []), Overlay())["yAxis"][0]
    assert (axis["type"], axis["min"], axis["max"]) == ("value", 0, 1.25)
    _, _, option = live_options(reader)
    assert option["series"][0]["markLine"]["data"] == [{"yAxis": 1}]
    assert option["yAxis"][0]["type"] == "log"
    assert option["yAxis"][0]["max"] == 10.0
    assert option["dataset"]["source"].select(pl.exclude("time").min()).row(0) >= (0.01,)


def test_options_are_json_but_for_the_table(reader: Reader) -> None:
    for option in live_options(reader)[1:]:
        json.dumps({k: v for k, v in option.items() if k != "dataset"}, allow_nan=False)


def test_why_names_the_distance_and_the_last_reason(reader: Reader) -> None:
    last = queries.last_trigger(reader, story.SYSTEM, story.START + 800)
    table = standing(**{"a|x": 0.62, "joint": 0.41})
    near, reason = views_live.why(table, [], last, 1.0)
    assert near == "No incident is open: a|x is at 62 % and the joint score at 41 % of its threshold."
    assert "no incident, because no KPI changed" in reason
    assert "still learning what is usual (40 %)" in views_live.why(table, [], None, 0.4)[0]
    assert views_live.why(standing(**{"a|x": 2.0}), ["INC-2"], None, 1.0)[0].startswith("INC-2 is open; 1 of 1")


# --- the incident


@pytest.mark.parametrize(
    ("answer", "words"), [("nothing", "Best guess"), ("weak", "Weak suspicion"), ("named", "Likely cause")]
)
def test_the_card_names_a_cause_only_as_firmly_as_the_evidence(reader: Reader, answer: str, words: str) -> None:
    incident, ranked = newest(reader)
    headline, why = views_incident.verdict(msgspec.structs.replace(incident, answer=answer), [ranked])
    assert headline == f"{words}: vllm-a"
    assert "vllm-a · kv_cache_usage is 0.971, usually 0.42" in why
    assert ("nothing unusual in what is measured, so this may be nobody's fault" in why) is (answer == "nothing")


@pytest.mark.parametrize(
    ("agreement", "said"),
    [
        (0.91, "The ranking and the graph have stopped changing."),
        (0.26, "It was stable at batch 8; it has moved since (agreement 0.26)."),
    ],
)
def test_a_ranking_that_moved_after_it_settled_is_not_called_stable(
    reader: Reader, agreement: float, said: str
) -> None:
    incident, rankings = reader.incident("INC-2"), reader.rankings(story.SYSTEM, "INC-2")
    rankings[-1] = msgspec.structs.replace(rankings[-1], similarity=agreement)
    assert views_incident.verdict(incident, rankings)[1].endswith(said)
    assert views_incident.badges(incident, rankings, late=False)[1].help == said


def test_before_the_first_ranking_no_cause_is_named() -> None:
    headline, why = views_incident.verdict(story.incident(0), [])
    assert headline == "No cause named yet"
    assert "no ranking yet" in why
    assert views_incident.chips(story.incident(0), None) == []


def test_facts_are_the_incident_s(reader: Reader) -> None:
    incident, ranked = newest(reader)
    found = {f.label: f.value for f in views_incident.facts(incident, ranked, incident.updated)}
    assert found == {
        "Margin": "4 ×", "Confidence": "80 %", "Ratio": "3.5", "Onset": "16:25:00", "Opened after": "9 s",
        "Lasting": "1 min 00 s", "Batches": "10",
    }  # fmt: skip
    alone = msgspec.structs.replace(ranked, services=ranked.services[:1])
    assert views_incident.facts(incident, alone, incident.updated)[0].value == "–", "one service has no runner-up"


def test_life_and_cause_have_a_badge_each(reader: Reader) -> None:
    incident, ranked = newest(reader)
    assert [b.text for b in views_incident.badges(incident, [ranked], late=False)] == ["open", "converged"]
    assert views_incident.badges(incident, [ranked], late=True)[-1].text == "found late"


def test_chips_run_from_the_cause_to_the_symptom(reader: Reader) -> None:
    chips = views_incident.chips(*newest(reader))
    assert [c.color for c in chips] == ["orange", "blue", "blue", "violet"]
    assert chips[0].text.startswith("**cause**")
    assert chips[-1].text.startswith("**symptom**")


def test_without_a_kpi_the_last_of_the_path_is_the_symptom(reader: Reader) -> None:
    incident, ranked = newest(reader)
    roles = views_incident.roles(msgspec.structs.replace(incident, kpi=""), ranked)
    assert roles[story.PATH[-1]] == "symptom"


def test_several_kpis_are_all_named_and_only_those_in_the_graph_are_drawn(reader: Reader) -> None:
    incident, ranked = newest(reader)
    incident = msgspec.structs.replace(incident, kpi=f"{story.PATH[-1]}, far|away")
    roles = views_incident.roles(incident, ranked)
    assert (roles[story.PATH[-1]], roles["far|away"]) == ("symptom", "symptom")
    assert views_incident.origin(incident) == "The walk started from gateway · ttft_p95 and far · away."
    (series,) = views_graph.draw(ranked.edges, roles, ranked.path).option["baseOption"]["series"]
    assert "far|away" not in {node["name"] for node in series["data"]}


def graph(reader: Reader, *, whole: bool = False) -> views_graph.Drawing:
    incident, ranked = newest(reader)
    return views_graph.draw(ranked.edges, views_incident.roles(incident, ranked), ranked.path, whole=whole)


def test_roles_in_the_graph_have_a_shape_and_a_word_of_their_own(reader: Reader) -> None:
    (series,) = graph(reader).option["baseOption"]["series"]
    nodes = {n["name"]: n for n in series["data"]}
    shapes = {n: nodes[n]["symbol"] for n in story.PATH}
    assert list(shapes.values()) == ["diamond", "circle", "circle", "rect"]
    assert "CAUSE" in nodes[story.PATH[0]]["label"]["formatter"]
    assert "SYMPTOM" in nodes[story.PATH[-1]]["label"]["formatter"]
    assert nodes["gateway|errors"]["symbolSize"] < nodes[story.PATH[1]]["symbolSize"]
    assert series["layout"] == "none"


def test_on_a_telephone_the_graph_fills_the_height_and_only_names_with_a_part_are_written(reader: Reader) -> None:
    drawing = graph(reader)
    (narrow,) = drawing.option["media"][1]["option"]["series"]
    (wide,) = drawing.option["baseOption"]["series"]
    assert narrow["preserveAspect"] is False
    assert {n["name"] for n in narrow["data"] if n["label"]["show"]} == set(story.PATH)
    turned = {n["name"]: (n["y"], n["x"]) for n in narrow["data"]}
    assert turned == {n["name"]: (n["x"], n["y"]) for n in wide["data"]}
    level = views_graph.draw([], {"a|x": "cause", "b|x": "symptom"}, ["b|x"]).option
    (pair,) = level["media"][1]["option"]["series"]
    assert {n["name"]: n["label"]["position"] for n in pair["data"]} == {"b|x": "bottom", "a|x": "right"}, (
        "side by side"
    )


def test_the_graph_hides_what_is_far_from_the_path_until_asked(reader: Reader) -> None:
    some, everything = graph(reader), graph(reader, whole=True)
    assert some.nodes + some.hidden == everything.nodes
    assert some.hidden > 0
    assert everything.hidden == 0
    (series,) = everything.option["baseOption"]["series"]
    _, ranked = newest(reader)
    assert {(e["source"], e["target"]) for e in series["links"]} == {(e.cause, e.effect) for e in ranked.edges}


def test_edges_learned_in_the_incident_are_dashed_and_a_path_without_edges_is_still_drawn() -> None:
    edge = story.edges()[0]
    drawing = views_graph.draw([edge], {}, story.PATH)
    links = {
        (e["source"], e["target"]): e["lineStyle"]["type"] for e in drawing.option["baseOption"]["series"][0]["links"]
    }
    assert links == {story.PATH[:2]: "dashed", story.PATH[1:3]: "solid", story.PATH[2:]: "solid"}
    assert views_graph.draw([], {}, []).nodes == 0


def test_evidence_marks_the_onset_and_the_usual_value(reader: Reader) -> None:
    table = pl.DataFrame({"time": [1, 2], "a|x": [1.0, 2.0]})
    option = views_incident.evidence_chart(table, "a|x", onset=1.5, usual=1.0, role="cause")
    first, second = option["series"][0]["markLine"]["data"]
    assert first["xAxis"] == 1500
    assert second["yAxis"] == 1.0
    names = views_incident.shown(*newest(reader), kept=story.NAMES)
    assert names[:4] == list(story.PATH)


def test_commands_name_the_incident_and_offer_only_what_its_state_allows(reader: Reader) -> None:
    incident, _ = newest(reader)
    url = "sqlite:///h.db"
    lines = views_incident.commands(incident, url, several_systems=False)
    assert lines[0] == "headwater incidents show INC-2 --store sqlite:///h.db --json"
    assert [line.split()[2] for line in lines] == ["show", "export", "ack", "resolve", "dismiss"]
    old = reader.incident("INC-1")
    assert [line.split()[2] for line in views_incident.commands(old, url, several_systems=False)] == ["show", "export"]
    assert "--system shop" in views_incident.commands(old, url, several_systems=True)[0]


# --- words


def test_names_from_outside_cannot_become_markdown() -> None:
    assert plain("![a](b)") == r"\!\[a\]\(b\)"


def test_numbers_and_spans_at_their_edges() -> None:
    assert [number(x) for x in (0.0, 999.4, 999.5, 123_456.0, 1e6)] == ["0", "999", "1,000", "123,456", "1 M"]
    assert [span(s) for s in (-1.0, 9.94, 9.96, 59.6, 3_599.7)] == ["0 s", "9.9 s", "10 s", "1 min 00 s", "1 h 00 min"]


def test_what_else_there_is_to_say_of_a_cause() -> None:
    incident = Incident("s", "INC-2", "open", "converged", 0.0, 1.0, 2.0, linked="INC-1", verdict="db|io", place=3)
    ranked = Ranked("s", 2.0, 0, "INC-2", 0, (), (), (), (), 1.0, 1.0, "converged", 0.8, added=(("gw", "lb"),))
    assert views_incident.additions(incident, ranked) == [
        "Linked to INC-1, which was open when other metrics changed.",
        "Calls that no call graph names, but the data show: gw → lb.",
        "Told to be db · io, which was place 3.",
    ]
    assert views_incident.additions(Incident("s", "INC-3", "open", "converged", 0.0, 1.0, 2.0), None) == []
