"""Seconds become rows in one place, and settings that do not go together say so before a row is read."""

import msgspec
import pytest

from headwater.streaming.build import monitor, pipeline_config
from headwater.streaming.errors import SettingsError
from headwater.streaming.pipeline_config import PipelineConfig
from headwater.streaming.records import Series
from headwater.streaming.settings import load


def settings(**sections):
    return load(None, sections)


@pytest.mark.parametrize(("step", "base", "batch", "close"), [(1.0, 600, 5, 300), (60.0, 240, 1, 5), (7.0, 240, 1, 43)])
def test_lengths_are_whole_rows_rounded_up(step, base, batch, close):
    config = pipeline_config(settings(), step)
    assert (config.base_rows, config.batch_rows, config.close_rows) == (base, batch, close)
    assert config.step == step
    assert config.max_rows == -(-7200 // int(step))


def test_what_is_given_in_rows_stays():
    config = pipeline_config(settings(incidents={"history": 500}, causal={"lags": 2, "half_life": 99}), 60.0)
    assert (config.history_rows, config.lags, config.half_life) == (500, 2, 99.0)


def test_what_opens_an_incident():
    def on_kpi(kpi, open_on):
        return pipeline_config(settings(system={"kpi": kpi}, incidents={"open_on": open_on}), 1.0).on_kpi

    assert [on_kpi([], "auto"), on_kpi(["a|latency"], "auto")] == [False, True]
    assert [on_kpi(["a|latency"], "any"), on_kpi(["a|latency"], "kpi")] == [False, True]


def test_kpis_have_a_bad_direction_and_calls_two_ends():
    config = pipeline_config(
        settings(system={"kpi": ["a|latency", "a|goodput down", "*|success"]}, topology={"edges": ["a > b"]}), 1.0
    )
    assert config.kpi == (("a|latency", "up"), ("a|goodput", "down"), ("*|success", "down"))
    assert config.edges == (("a", "b"),)
    series = tuple(Series("s", *name.split("|")) for name in ("b|cpu", "b|success", "a|latency"))
    columns, sign = config.kpi_columns(series)
    assert (columns.tolist(), sign.tolist()) == ([1, 2], [-1, 1])


def test_the_ring_holds_the_base_window_at_least():
    assert pipeline_config(settings(detector={"base": "1h"}), 1.0).history_rows == 3600
    assert pipeline_config(settings(), 1.0).history_rows == 1800


def test_the_topology_and_the_cap_on_incidents_arrive():
    config = pipeline_config(settings(topology={"mode": "hard"}, incidents={"max_open": 2}), 1.0)
    assert (config.topology, config.max_open) == ("hard", 2)


@pytest.mark.parametrize(
    ("kind", "lateness", "expected"), [("kafka", None, 5.0), ("file", None, 0.0), ("file", "3s", 3.0)]
)
def test_lateness_is_that_of_the_source_unless_given(kind, lateness, expected):
    align = {"lateness": lateness} if lateness else {}
    assert monitor(settings(source={"kind": kind}, align=align), step=10.0).align.lateness == expected


def test_the_step_of_the_settings_goes_first_then_that_of_the_data():
    assert monitor(settings(system={"step": "30s"}), step=10.0).config.step == 30.0
    assert monitor(settings(), step=10.0).config.step == 10.0
    assert monitor(settings()).align.step == 1.0


def test_the_cap_on_systems_arrives():
    assert monitor(settings(align={"max_systems": 3})).max_systems == 3
    assert monitor(settings()).max_systems == 64


@pytest.mark.parametrize(
    ("sections", "named"),
    [
        ({"detector": {"mode": "mssa", "window": 301}}, "a base must hold two windows"),
        (
            {"detector": {"mode": "mssa", "rank": 24}},
            "rank must be a share below 1, or a whole number below the window",
        ),
        ({"system": {"step": 0.001}}, "step is 0.001"),
    ],
)
def test_settings_that_do_not_go_together_are_an_error_of_the_settings(sections, named):
    with pytest.raises(SettingsError, match=named):
        monitor(settings(**sections))


def test_every_default_is_the_same_in_rows_of_a_second():
    """A pipeline made by hand and one made of the default settings are the same pipeline."""
    built = msgspec.structs.asdict(pipeline_config(settings(), 1.0))
    assert built == msgspec.structs.asdict(PipelineConfig(system="default"))


def test_metrics_share_a_detector_as_the_settings_say_and_else_by_entity():
    config = pipeline_config(settings(detector={"entities": {"cart-*|*": "cart", "*|gc": "gc"}, "refractory": 7}), 1.0)
    assert config.refractory_rows == 7
    series = [Series("shop", *name.split("|")) for name in ("cart-1|cpu", "cart-2|gc", "db|gc", "db|cpu")]
    assert [config.entity_of(one) for one in series] == ["cart", "cart", "gc", "db"]
