"""The simulator's bricks against theory and slow twins, and the laws that a whole run obeys."""

import ast
import math
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from headwater.streaming import simulator
from headwater.streaming.simulator import EDGES, EPOCH, KPI, Plan, Recording, System, plan, play, simulate
from headwater.streaming.simulator.entity import Dice
from headwater.streaming.simulator.events import Agenda, Percentiles, Tally
from headwater.streaming.simulator.neighbours import NEIGHBOURS
from headwater.streaming.simulator.replica import Replica
from headwater.streaming.simulator.services import Store
from headwater.streaming.simulator.station import Link, Nic, Request, Station, Then
from tests.streaming.naive_replica import Job, token_by_token

HOUR = 3600.0


def request(arrived: float = 0.0, deadline: float = math.inf, prompt: int = 100, output: int = 10) -> Request:
    return Request(arrived, deadline, prompt, output, session=0, blob=0.0)


def column(recording: Recording, name: str) -> np.ndarray:
    return recording.X[:, [series.name for series in recording.series].index(name)]


@pytest.fixture(scope="module")
def hour() -> Recording:
    return simulate(5, fault=None, seconds=HOUR)


# Bricks


def test_agenda_runs_in_time_order_and_ties_in_the_order_of_planning() -> None:
    agenda, seen = Agenda(), []
    for name, delay in (("c", 2.0), ("a", 1.0), ("d", 2.0), ("b", 1.0), ("late", 9.0)):
        agenda.after(delay, seen.append, name)
    agenda.run(until=5.0)
    assert seen == ["a", "b", "c", "d"]


def test_tally_and_percentiles_look_back_over_their_span_only() -> None:
    rng = np.random.default_rng(3)
    tally, percentiles = Tally(4), Percentiles(4)
    seconds: list[list[float]] = []
    for _ in range(30):
        seconds.append(rng.lognormal(size=rng.poisson(3)).tolist())
        for value in seconds[-1]:
            tally.add(value)
            percentiles.add(value)
        window = [value for second in seconds[-4:] for value in second]
        assert tally.rate == pytest.approx(sum(window) / 4)
        assert tally.count == len(window)
        if window:
            assert percentiles.read(0.5, 0.95) == np.quantile(window, (0.5, 0.95), method="inverted_cdf").tolist()
        tally.tick()
        percentiles.tick()
    for _ in range(4):
        tally.tick()
        percentiles.tick()
    assert math.isnan(tally.mean)
    assert math.isnan(percentiles.read(0.5)[0])


def test_station_waits_as_erlang_says() -> None:
    rng, agenda, c, load = np.random.default_rng(1), Agenda(), 3, 2.4
    station = Station(agenda, servers=c)
    times = np.cumsum(rng.exponential(1 / load, 60_000))
    for time, work in zip(times.tolist(), rng.exponential(1.0, 60_000).tolist(), strict=True):
        agenda.run(until=time)
        station.submit(work, lambda _: None, None)
    station.settle()
    terms = [load**k / math.factorial(k) for k in range(c)]
    last = load**c / math.factorial(c) * c / (c - load)
    waiting = last / (sum(terms) + last) * load / (c - load)  # Erlang C, mean number in the queue
    assert station.queue_area / agenda.now == pytest.approx(waiting, rel=0.08)
    assert station.busy_area / agenda.now == pytest.approx(load, rel=0.02)


def test_a_slower_station_takes_longer_and_a_pause_holds_all_back() -> None:
    agenda, ends = Agenda(), []
    station = Station(agenda, servers=2)
    station.speed = 0.5
    station.submit(1.0, ends.append, "before")
    station.pause(5.0)
    station.submit(1.0, ends.append, "after")
    agenda.run(until=4.9)
    assert ends == ["before"]
    agenda.run(until=6.9)
    assert ends == ["before"]
    agenda.run(until=7.0)
    assert ends == ["before", "after"]


class Hands:
    """A server that answers when it is told to."""

    def __init__(self, trip: float = 0.0) -> None:
        self.nic = Nic(lambda: trip, lambda: 1.0)
        self.held: list[tuple[Request, Then]] = []

    def serve(self, request: Request, reply: Then) -> None:
        self.held.append((request, reply))

    def answer(self) -> None:
        request, reply = self.held.pop(0)
        reply(request)


def test_link_keeps_its_limit_and_the_queue_stands_at_the_caller() -> None:
    agenda, server, done = Agenda(), Hands(), []
    link = Link(agenda, server, limit=2, backlog=3)
    calls = [request(deadline=deadline) for deadline in (9.0, 9.0, 9.0, 1.0, 9.0, 9.0)]
    for call in calls:
        link.call(call, done.append)
    assert (link.in_use, link.waiting) == (2, 3)
    assert done == [calls[5]], "one too many for the backlog fails at once"
    agenda.run(until=2.0)
    assert len(server.held) == 2
    for _ in range(4):
        server.answer()
        agenda.run(until=agenda.now + 1.0)
    assert [call.failed for call in calls] == [False, False, False, True, False, True]
    assert sorted(map(id, done)) == sorted(map(id, calls)), "every call is answered once"
    assert link.in_use == 0
    link.settle()
    assert link.wait_area == pytest.approx(2.0 + 3.0 + 3.0)


def test_a_sick_card_delays_every_call() -> None:
    agenda, server = Agenda(), Hands(trip=0.25)
    server.nic.extra = 0.5
    Link(agenda, server, limit=1).call(request(), lambda _: None)
    agenda.run(until=0.74)
    assert server.held == []
    agenda.run(until=0.76)
    assert len(server.held) == 1
    assert server.nic.measured.mean == 0.75


@pytest.mark.parametrize("scraped", [False, True])
@pytest.mark.parametrize(("limit", "capacity"), [(32, 60_000), (3, 60_000), (32, 1500)])
def test_replica_equals_its_token_by_token_twin(limit: int, capacity: int, scraped: bool) -> None:
    rng = np.random.default_rng(11)
    jobs = [
        Job(time, prompt, max(1, prompt // int(share)), output)
        for time, prompt, share, output in zip(
            np.cumsum(rng.exponential(0.3, 150)).tolist(),
            rng.integers(20, 600, 150).tolist(),
            rng.choice([1, 8], 150),
            rng.integers(1, 200, 150).tolist(),
            strict=True,
        )
    ]
    agenda, dice = Agenda(), Dice(1)
    replica = Replica("replica-0", agenda, dice, Link(agenda, Store(agenda, dice), limit=1))
    replica.limit, replica.capacity = limit, capacity
    replica.gpu.tick = lambda: None
    first, end = [-1.0] * len(jobs), [-1.0] * len(jobs)

    def send(k: int) -> None:
        sequence = request(prompt=jobs[k].prompt, output=jobs[k].output)
        sequence.new_tokens = jobs[k].new_tokens
        sequence.on_first_token = lambda _: first.__setitem__(k, agenda.now)
        replica.serve(sequence, lambda _: end.__setitem__(k, agenda.now))

    for k, job in enumerate(jobs):
        agenda.after(job.arrived, send, k)
    for second in range(1, 1500):
        agenda.run(until=float(second))
        if scraped:
            replica.read()
    naive_first, naive_end, thrown = token_by_token(jobs, limit=limit, capacity=capacity)
    assert first == pytest.approx(naive_first, abs=1e-6)
    assert end == pytest.approx(naive_end, abs=1e-6)
    assert (thrown > 0) == (capacity == 1500), "the small cache has to be too small"
    assert replica.used == 0


# The whole system


def test_same_seed_same_bits_other_seed_other_rows() -> None:
    one, two, other = (simulate(seed, fault="slow_disk", seconds=1200) for seed in (3, 3, 4))
    assert one.X.tobytes() == two.X.tobytes()
    assert one.truth == two.truth
    assert one.X.tobytes() != other.X.tobytes()


def test_rows_as_they_come_are_the_recording(hour: Recording) -> None:
    rows = islice(play(plan(5, fault=None, seconds=HOUR), System(5)), 50)
    for t, (time, row) in enumerate(rows):
        assert time == hour.times[t] == EPOCH + t
        assert row.tobytes() == hour.X[t].tobytes()


def test_no_request_is_lost_or_made() -> None:
    system = System(8)
    for second, _ in enumerate(islice(play(plan(8, fault="kv_cache_leak", seconds=1200), system), 1200)):
        gateway = system.gateway
        inside = gateway.open + len(gateway.accepting)
        assert gateway.arrived == gateway.completed + gateway.failed + inside, second
    assert gateway.completed > 10_000
    assert gateway.failed > 100


def test_littles_law(hour: Recording) -> None:
    inside = column(hour, "gateway|inflight").mean()
    rate, latency = (column(hour, f"gateway|{metric}") for metric in ("requests_per_s", "latency_mean_s"))
    # What is refused by the tokenizer (one in eighty) has left long before.
    assert inside == pytest.approx(rate.mean() * (1 - 1 / 80) * latency.mean(), rel=0.03)


def test_enough_of_everything_and_names_that_tell(hour: Recording) -> None:
    names = [series.name for series in hour.series]
    assert len(set(names)) == len(names) == hour.X.shape[1] >= 60
    assert len({series.entity for series in hour.series}) >= 12
    assert np.array_equal(np.diff(hour.times), np.ones(int(HOUR) - 1))
    assert set(KPI) <= set(names)
    assert all(series.unit for series in hour.series)
    assert np.isnan(hour.X).mean() < 0.001
    assert np.nanmin(hour.X) >= 0.0


def test_call_graph_joins_the_entities_and_leaves_the_neighbours_out(hour: Recording) -> None:
    entities = {series.entity for series in hour.series}
    reached, todo = set(), ["gateway"]
    while todo:
        reached.add(caller := todo.pop())
        todo += [callee for other, callee in EDGES if other == caller and callee not in reached]
    assert reached == entities - set(NEIGHBOURS)
    assert {end for edge in hour.edges for end in edge} == reached


def run(what: Plan, seconds: int) -> np.ndarray:
    return np.array([row for _, row in islice(play(what, System(what.seed)), seconds)])


def test_a_noisy_bystander_screams_and_the_path_does_not_hear_it() -> None:
    what = replace(plan(2, fault=None, seconds=1200), bystander=("embedder", EPOCH + 200, EPOCH + 300))
    loud, calm = run(what, 330), run(replace(what, bystander=("embedder", EPOCH, EPOCH)), 330)
    series = System(2).series
    for j, one in enumerate(series):
        assert np.array_equal(loud[:200, j], calm[:200, j], equal_nan=True)
        if one.entity != "embedder":
            assert np.array_equal(loud[:, j], calm[:, j], equal_nan=True), one.name
    j = [one.name for one in series].index("embedder|queue_len")
    assert loud[200:300, j].max() > calm[:, j].mean() + 20 * calm[:, j].std()


def test_nothing_of_a_fault_shows_before_it_starts() -> None:
    what = plan(6, fault="router_imbalance", seconds=1200)
    assert what.truth is not None
    start = int(what.truth.start - EPOCH)
    sick, well = run(what, start + 1), run(replace(what, truth=None), start + 1)
    assert sick[:start].tobytes() == well[:start].tobytes()
    assert sick[start].tobytes() != well[start].tobytes()


def test_quiet_hours_stay_quiet(hour: Recording) -> None:
    for name in KPI:
        kpi = column(hour, name)
        high = kpi > 1.5 * np.quantile(kpi, 0.99)
        edges = np.flatnonzero(np.diff(np.concatenate([[0], high.astype(int), [0]])))
        assert max(np.diff(edges)[::2], default=0) <= 20, name


def test_load_runs_in_cycles_of_a_few_minutes() -> None:
    system = System(9)
    rates = []
    for second in range(3600):
        system.agenda.now = float(second)
        rates.append(system.traffic.expected())
    turns = np.diff(np.sign(np.diff(rates))) < 0
    assert 10 <= turns.sum() <= 30, "an hour holds as many crests as ten-minute windows hold more than one of"
    assert 1.2 < max(rates) / min(rates) < 1.7


def test_it_imports_no_learner() -> None:
    for path in Path(simulator.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
                assert not node.module.startswith("headwater.") or node.module == "headwater.streaming.records"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"fault": "rain", "seconds": 1800}, "no fault 'rain'.*slow_disk"),
        ({"fault": "slow_disk", "seconds": 1800, "service": "auth"}, "cannot happen at 'auth'.*database"),
        ({"fault": None, "seconds": 60}, "at least 1200 s.*60"),
    ],
)
def test_wrong_wishes_are_refused_with_the_mend(arguments: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        plan(1, **arguments)
