"""What happens once a change is an incident: open, rank batch by batch, close. Pure."""

from collections.abc import Collection, Iterator
from typing import NamedTuple, TypeAlias

import msgspec
import numpy as np
from numpy.typing import NDArray

from headwater.causal.columns import Columns, describe
from headwater.causal.diagnosis import Diagnosis
from headwater.causal.suspects import RECENT, suspects
from headwater.online import Ring, Snapshot

from .case import LONGEST, Batch, Case, CaseConfig
from .errors import CommandRefused
from .graphs import Graphs
from .incidents import Stimulus, progress
from .past import EARLY, Cut, Past, Rows, cut, look_back
from .pipeline_config import PipelineConfig
from .records import Changed, Incident, Ranked, Series, Triggered
from .verdicts import judged, ranked, settled

__all__ = ["Casework", "Onset"]

SPREAD = 10  # rows after its opening in which every new onset belongs to an incident, at least
CLOSED = 100  # incidents that are over and can still be told a verdict
News: TypeAlias = Triggered | Ranked | Changed


class Onset(NamedTuple):
    """What is known of a change that becomes an incident."""

    back: int  # rows since it began
    later: int = 0  # rows since a second, later start; 0: none
    alarmed: tuple[int, ...] = ()  # columns that its alarms are about
    entity: str = ""  # whose detector raised the first of them


class Casework:
    """The incidents of one system. Several may be open at once, each on metrics of its own.

    Events come without their number (`n`): the pipeline numbers all events of a row.

    Parameters
    ----------
    config
        Lengths in rows and the settings of the graph.

    Attributes
    ----------
    cases : list
        Of the open incidents, oldest first.
    closed : dict
        The newest incidents that are over, by id.
    """

    def __init__(self, config: PipelineConfig) -> None:
        self.config = config
        self.graphs = Graphs(config, config.patience_rows + LONGEST)
        self.kpi = np.zeros(0, np.int64)
        self.kpi_sign = np.zeros(0, np.int64)
        self.cases: list[Case] = []
        self.closed: dict[str, Incident] = {}
        self.incidents = 0

    @property
    def columns(self) -> Columns:
        """The columns of the system."""
        return self.graphs.columns

    def adopt(self, series: tuple[Series, ...]) -> None:
        """Know these columns from now on; an open case keeps the columns it began with."""
        self.graphs.adopt(describe([s.name for s in series], self.config.edges))
        self.kpi, self.kpi_sign = self.config.kpi_columns(series)

    def concerned(self, alarmed: Collection[int], back: int) -> Case | None:
        """The open case that an alarm on some columns, `back` rows after its onset, belongs to; None: a new one."""
        for case in self.cases:
            if case.touches(alarmed):
                return case
        newest = self.cases[-1] if self.cases else None
        if newest and (newest.rows - back <= max(SPREAD, self.config.patience_rows) or newest.recovering):
            return newest
        return newest if len(self.cases) >= self.config.max_open else None

    def settled(self, back: int) -> int:
        """Rows between the opening of the newest incident and an onset `back` rows ago; 0 while none is open."""
        return max(1, self.cases[-1].rows - back - EARLY) if self.cases else 0

    def open(self, ring: Ring, begun: Onset, time: float) -> Iterator[News]:
        """Open an incident that began in the newest rows of the ring, with a first ranking."""
        where = cut(ring, begun.back, self.config.step, later=begun.later)
        linked = self.cases[-1] if self.cases else None
        held = self._held(ring.width, begun.alarmed)
        columns = self._chosen(ring, where)
        past = look_back(ring, where, columns, settled=self.settled(begun.back), held=held)
        for case in self.cases:
            case.cut_short()
        if not linked:
            self.graphs.begin(len(past.window))
        self.incidents += 1
        incident = Incident(
            system=self.config.system,
            id=f"INC-{self.incidents}",
            state="open",
            rca="collecting",
            onset=float(ring.times()[-1 - min(begun.back, len(past.window) - 1)]),
            opened=time,
            updated=time,
            kpi=", ".join(self.columns.names[j] for j in self.kpi),
            linked=linked.incident.id if linked else "",
            entity=begun.entity,
            topology=self.graphs.topology,
        )
        case = self._case(incident, past, columns, held[columns], begun.alarmed)
        self.cases.append(case)
        yield self._changed("opened", incident, time)
        yield from self._rank(case, case.rank(), time)

    def follow(self, case: Case, row: Rows, time: float) -> Iterator[News]:
        """Take one more row of the open incident."""
        batch = case.feed(row)
        if batch:
            yield from self._rank(case, batch, time)
        if case.over:
            yield self.close(case, "quiet", time)
        elif case.rows >= self.config.max_rows:
            yield self.close(case, "outlast", time)

    def extend(self, case: Case, alarmed: Collection[int] = ()) -> str:
        """Count another trigger; returns the incident's id. Without KPIs it also says that it is not over."""
        case.alarmed.update(alarmed)
        if not len(case.diagnosis.kpi):
            case.quiet = 0
        case.incident = msgspec.structs.replace(case.incident, triggers=case.incident.triggers + 1)
        return case.incident.id

    def advance(self, case: Case, stimulus: Stimulus, time: float, *, by: str, note: str) -> Changed:
        """Change the state of an incident that stays open."""
        case.incident = progress(case.incident, stimulus, time)
        return self._changed(case.incident.state, case.incident, time, by, note)

    def close(self, case: Case, stimulus: Stimulus, time: float, *, by: str = "", note: str = "") -> Changed:
        """End an open incident."""
        incident = progress(case.incident, stimulus, time)
        self.cases.remove(case)
        self.closed[incident.id] = incident
        if len(self.closed) > CLOSED:
            del self.closed[next(iter(self.closed))]
        if not self.cases:
            self.graphs.end()
        return self._changed(incident.state, incident, time, by, note)

    def verdict(self, name: str, cause: str, time: float, *, by: str, note: str) -> Changed:
        """Keep with an incident, open or over, what its true cause was: an entity, or a metric.

        Raises
        ------
        CommandRefused
            If the incident is not known any more.
        """
        case = next((case for case in self.cases if case.incident.id == name), None)
        incident = case.incident if case else self.closed.get(name)
        if incident is None:
            what = f"{name or 'no incident'} is none of the newest incidents of {self.config.system}"
            why = f"a verdict can be given to those that are open and to the last {CLOSED} that were"
            raise CommandRefused(what, why, "see: headwater incidents list")
        incident = judged(msgspec.structs.replace(incident, verdict=cause, updated=time))
        if case:
            case.incident = incident
        else:
            self.closed[name] = incident
        return self._changed("verdict", incident, time, by, note)

    def judge(self, cause: str, effect: str, *, confirmed: bool) -> None:
        """Take what people know of an edge between two metrics; it holds at once, in open incidents too."""
        self.graphs.judge(cause, effect, confirmed=confirmed)
        for case in self.cases:
            case.relearn(self.graphs.copy(case.diagnosis.columns, case.past))

    def reopen(self, incident: Incident, snapshot: Snapshot) -> None:
        """Take up an incident again from its snapshot."""
        past = Past(
            history=np.asarray(snapshot["history"]),
            restarts=np.asarray(snapshot["restarts"]),
            window=np.asarray(snapshot["window"]),
            anchor=np.asarray(snapshot["anchor"]),
            late=int(snapshot["late"]),
        )
        columns, held = np.asarray(snapshot["columns"]), np.asarray(snapshot["held"])
        self.graphs.begin(0)
        case = self._case(incident, past, columns, held, np.asarray(snapshot["alarmed"]).tolist())
        case.restore(snapshot)
        self.cases.append(case)

    def _held(self, width: int, alarmed: Collection[int]) -> NDArray[np.bool_]:
        """Columns that move because of the incidents that are open; the KPIs belong to all of them."""
        held = np.zeros(width, np.bool_)
        for case in self.cases:
            held[case.columns[case.changed]] = True
            held[list(case.alarmed)] = True
        held[[*alarmed, *self.kpi]] = False
        return held

    def _chosen(self, ring: Ring, where: Cut) -> NDArray[np.int64]:
        """Columns that a new case looks at: all, or of very many the suspects under false-discovery control."""
        if self.graphs.whole:
            return np.arange(ring.width)
        history, window = ring.values()[where.history[-RECENT:]], ring.values()[where.first :]
        return suspects(history, window, self.columns, always=self.kpi).columns

    def _case(
        self,
        incident: Incident,
        past: Past,
        columns: NDArray[np.int64],
        held: NDArray[np.bool_],
        alarmed: Collection[int],
    ) -> Case:
        names = describe([self.columns.names[j] for j in columns], self.config.edges)
        watched = np.isin(self.kpi, columns)
        diagnosis = Diagnosis(
            columns=names,
            history=past.history.astype(np.float64),
            restarts=past.restarts,
            kpi=np.searchsorted(columns, self.kpi[watched]),
            kpi_sign=self.kpi_sign[watched],
            restart=self.config.restart,
            by_walk=self.config.ranking == "walk",
            anchor=past.anchor.astype(np.float64) if len(past.anchor) else None,
            late=past.late,
        )
        config = CaseConfig(self.config.batch_rows, self.config.close_rows)
        return Case(config, incident, past, diagnosis, self.graphs.copy(names, past), columns, held, alarmed)

    def _rank(self, case: Case, batch: Batch, time: float) -> Iterator[News]:
        before = case.incident
        case.incident = settled(before, case, batch, time)
        yield ranked(case.incident, case, batch, time)
        news = "converged" if case.incident.rca == "converged" != before.rca else "ranked"
        yield self._changed(news, case.incident, time)

    def _changed(self, action: str, incident: Incident, time: float, by: str = "", note: str = "") -> Changed:
        return Changed(system=self.config.system, time=time, n=0, action=action, incident=incident, by=by, note=note)
