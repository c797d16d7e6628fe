"""The life of an incident: every state meets every stimulus, and the page that draws it is held to the table."""

import itertools
import re
from pathlib import Path
from typing import get_args

import pytest

from headwater.streaming.errors import CommandRefused
from headwater.streaming.incidents import (
    LIVE,
    RCA_TABLE,
    STATE_TABLE,
    RcaStimulus,
    Stimulus,
    progress,
    rca_after,
    state_after,
)
from headwater.streaming.records import Incident, RcaState, State

STATES, STIMULI = get_args(State), get_args(Stimulus)
RCAS, RCA_STIMULI = get_args(RcaState), get_args(RcaStimulus)
PAGE = Path(__file__).parents[2] / "docs" / "design.md"


def incident(state="open", rca="provisional"):
    return Incident("shop", "INC-1", state, rca, onset=10.0, opened=12.0, updated=14.0, cause="db|disk", batches=3)


@pytest.mark.parametrize(("state", "stimulus"), [*itertools.product(STATES, STIMULI)])
def test_every_state_meets_every_stimulus(state, stimulus):
    before = incident(state)
    if (state, stimulus) not in STATE_TABLE:
        with pytest.raises(CommandRefused, match=rf"{state}(?s:.)*{stimulus}"):
            progress(before, stimulus, 20.0)
        assert before == incident(state)
        return
    after = progress(before, stimulus, 20.0)
    assert after.state == STATE_TABLE[state, stimulus] == state_after(state, stimulus)
    assert after.updated == 20.0
    over = after.state not in LIVE
    assert after.closed == (20.0 if over else None)
    assert after.rca == ("inconclusive" if over else "provisional")
    assert (after.cause, after.batches, after.onset) == ("db|disk", 3, 10.0)


@pytest.mark.parametrize(("rca", "stimulus"), [*itertools.product(RCAS, RCA_STIMULI)])
def test_every_analysis_meets_every_stimulus(rca, stimulus):
    if (rca, stimulus) in RCA_TABLE:
        assert rca_after(rca, stimulus) == RCA_TABLE[rca, stimulus]
    else:
        with pytest.raises(KeyError):
            rca_after(rca, stimulus)


def test_what_is_over_stays_over():
    final = [state for state in STATES if state not in LIVE]
    assert final == ["resolved", "dismissed", "shifted"]
    assert not [pair for pair in STATE_TABLE if pair[0] in final]
    assert {STATE_TABLE[state, stimulus] for state, stimulus in STATE_TABLE} == set(STATES) - {"open"}


def test_every_live_incident_can_end_in_every_way():
    for state, stimulus in itertools.product(LIVE, ("resolve", "dismiss", "quiet", "outlast")):
        assert STATE_TABLE[state, stimulus] not in LIVE


def test_a_settled_cause_is_never_unsettled():
    assert {RCA_TABLE["converged", stimulus] for stimulus in RCA_STIMULI} == {"converged"}
    assert all((rca, "close") in RCA_TABLE for rca in ("collecting", "provisional", "converged"))


def table(page, heading):
    """The table under a heading: ``{(row name, column name): cell}`` for cells that are not empty."""
    lines = page.read_text().split(heading, 1)[1].splitlines()[2:]
    rows = itertools.takewhile(lambda line: line.startswith("|"), lines)
    cells = [[cell.strip(" `") for cell in line[1:-1].split("|")] for line in rows]
    names = cells[0][1:]
    return {(row[0], name): cell for row in cells[2:] for name, cell in zip(names, row[1:], strict=True) if cell}


@pytest.mark.parametrize(("heading", "code"), [("The state", STATE_TABLE), ("The analysis", RCA_TABLE)])
def test_the_page_says_what_the_code_does(heading, code):
    assert table(PAGE, f"### {heading}") == code
    assert re.search(r"changes nothing", PAGE.read_text())
