"""The laws that every learner obeys, as plain functions: ``for law in LAWS: law(subject)``.

A law says nothing about how well a learner learns. It says that the learner can run on a stream that is cut
anywhere, stop and go on anywhere, and be read by anyone, with the same result to the bit.
"""

from collections.abc import Callable, Iterator
from itertools import cycle
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from .contracts import Block, Learner, Snapshot
from .state import SnapshotError, decode, encode

__all__ = [
    "LAWS",
    "BrokenLawError",
    "Law",
    "Subject",
    "block_equals_rows",
    "empty_column_changes_nothing",
    "leaves_the_callers_array_alone",
    "memory_is_bounded",
    "missing_is_legal",
    "new_columns_at_the_right",
    "reading_writes_nothing",
    "refuses_what_does_not_fit",
    "repeats_itself",
    "resumes_where_it_stopped",
    "stays_finite",
]


class BrokenLawError(AssertionError):
    """A learner that breaks a law; the message says where."""


class Subject(NamedTuple):
    """How to build a learner and what to feed it."""

    build: Callable[[], Learner]
    rows: Block
    """Finite rows, enough for the learner to be warm after half of them."""
    read: tuple[Callable[[Any], object], ...] = ()
    """Everything that can be asked of the learner."""


Law: TypeAlias = Callable[[Subject], None]


def block_equals_rows(subject: Subject) -> None:
    """One block gives what its rows give, whatever the size of the pieces they come in."""
    whole, cut = subject.build(), subject.build()
    expected = whole.step(subject.rows.copy())
    pieces = [cut.step(piece.copy()) for piece in _pieces(subject.rows)]
    _same_evidence(expected, _joined(pieces), "a block and its pieces")
    _same_state(whole, cut, "a block and its pieces")


def resumes_where_it_stopped(subject: Subject) -> None:
    """Snapshot, bytes, restore, continue: as if nothing had happened."""
    for stop in (0, len(subject.rows) // 3, 2 * len(subject.rows) // 3):
        first, resumed = subject.build(), subject.build()
        first.step(subject.rows[:stop].copy())
        resumed.restore(_through_bytes(first.snapshot()))
        _same_state(first, resumed, f"a learner stopped after {stop} rows")
        rest = subject.rows[stop:]
        _same_evidence(first.step(rest.copy()), resumed.step(rest.copy()), f"a learner stopped after {stop} rows")
        _same_state(first, resumed, f"a learner stopped after {stop} rows, at the end,")


def reading_writes_nothing(subject: Subject) -> None:
    """Asking changes no bit of the state, nor does writing into what was handed out."""
    learner = subject.build()
    for half in np.array_split(subject.rows, [0, len(subject.rows) // 2]):
        learner.step(half.copy())
        before = _bytes(learner)
        for read in subject.read:
            read(learner)
            _require(_bytes(learner) == before, f"reading with {read!r} changed the state")
        for value in learner.snapshot().values():
            if isinstance(value, np.ndarray):
                value.fill(0)
        _require(_bytes(learner) == before, "a snapshot shares its arrays with the learner")


def leaves_the_callers_array_alone(subject: Subject) -> None:
    """The array that was handed in is neither changed nor kept."""
    learner, twin = subject.build(), subject.build()
    for piece in _pieces(subject.rows):
        mine = piece.copy()
        learner.step(mine)
        _require(np.array_equal(mine, piece, equal_nan=True), "step() changed the caller's array")
        mine.fill(1e9)
        twin.step(piece.copy())
    _same_state(learner, twin, "a caller that reuses its array")


def missing_is_legal(subject: Subject) -> None:
    """NaN here and there, whole rows of it, and a metric that vanishes: no error and nothing infinite."""
    rows = subject.rows.copy()
    rows[np.random.default_rng(3).random(rows.shape) < 0.1] = np.nan
    rows[:2] = rows[len(rows) // 3 : len(rows) // 3 + 20] = np.nan
    rows[2 * len(rows) // 3 :, 0] = np.nan
    _finite(subject.build(), rows, "missing values")
    block_equals_rows(subject._replace(rows=rows))


def stays_finite(subject: Subject) -> None:
    """Constants, huge values and far-off levels give no infinite value, and no NaN where plain rows leave none."""
    rows = subject.rows
    plain = subject.build()
    plain.step(rows.copy())
    spiked = rows.copy()
    spiked[-3:, 0] = 1e15
    cases = {
        "zeros": np.zeros_like(rows),
        "constants": np.full_like(rows, 7.25),
        "values of 1e12": rows * 1e12,
        "a level of 1e12": rows + 1e12,
        "values of 1e-12": rows * 1e-12,
        "a value of 1e15": spiked,
    }
    for name, case in cases.items():
        learner = _finite(subject.build(), case, name)
        for field, value in plain.snapshot().items():
            found = np.asarray(learner.snapshot()[field])
            if found.dtype.kind == "f" and not np.isnan(np.asarray(value)).any():
                _require(not np.isnan(found).any(), f"{name}: {field} is NaN")


def new_columns_at_the_right(subject: Subject) -> None:
    """Metrics that appear later are as if they had been missing before."""
    early = len(subject.rows) // 4
    padded = subject.rows.copy()
    padded[:early, -2:] = np.nan
    grown, known = subject.build(), subject.build()
    grown.step(padded[:early, :-2].copy())
    known.step(padded[:early].copy())
    evidence = grown.step(padded[early:].copy())
    _same_evidence(known.step(padded[early:].copy()), evidence, "new columns and missing ones")
    _same_state(known, grown, "new columns and missing ones")


def empty_column_changes_nothing(subject: Subject) -> None:
    """A metric that never has a value leaves the evidence of the others as it is."""
    d = subject.rows.shape[1]
    plain, beside = subject.build(), subject.build()
    expected = plain.step(subject.rows.copy())
    found = beside.step(np.hstack([subject.rows, np.full((len(subject.rows), 1), np.nan)]))
    cut = [a[:, :d] if a.ndim > 1 and a.shape[1] == d + 1 else a for a in _arrays(found)]
    _same_evidence(_arrays(expected), cut, "an empty column and none")


def memory_is_bounded(subject: Subject) -> None:
    """Once warm, a snapshot grows no more."""
    learner = subject.build()
    learner.step(subject.rows.copy())
    warm = len(_bytes(learner))
    for _ in range(3):
        learner.step(subject.rows.copy())
        _require(len(_bytes(learner)) <= warm, f"a snapshot of {warm} bytes grew to {len(_bytes(learner))}")


def repeats_itself(subject: Subject) -> None:
    """The same rows give the same result: no clock, and no randomness that is not in the state."""
    one, other = subject.build(), subject.build()
    _same_evidence(one.step(subject.rows.copy()), other.step(subject.rows.copy()), "two runs")
    _same_state(one, other, "two runs")


def refuses_what_does_not_fit(subject: Subject) -> None:
    """A snapshot with a wrong field, type or shape, or of a newer version, is refused and changes nothing."""
    donor, learner = subject.build(), subject.build()
    donor.step(subject.rows.copy())
    learner.step(subject.rows[: len(subject.rows) // 2].copy())
    before, good = _bytes(learner), donor.snapshot()
    for wrong in _spoilt(good):
        try:
            learner.restore(wrong)
        except SnapshotError:
            _require(_bytes(learner) == before, "a refused snapshot changed the learner")
        else:
            odd = sorted(name for name in good.keys() | wrong.keys() if good.get(name) is not wrong.get(name))
            raise BrokenLawError(f"a snapshot with a wrong field was accepted: {odd}")
    try:
        decode(encode(good, kind="learner", version=2), kind="learner", version=1)
    except SnapshotError:
        return
    raise BrokenLawError("a snapshot of a newer version was read")


LAWS: tuple[Law, ...] = (
    block_equals_rows,
    resumes_where_it_stopped,
    reading_writes_nothing,
    leaves_the_callers_array_alone,
    missing_is_legal,
    stays_finite,
    new_columns_at_the_right,
    empty_column_changes_nothing,
    memory_is_bounded,
    repeats_itself,
    refuses_what_does_not_fit,
)


def _spoilt(good: Snapshot) -> Iterator[Snapshot]:
    """Copies of a snapshot, each with one thing wrong."""
    yield good | {"no such field": 1}
    for name, value in good.items():
        yield {other: kept for other, kept in good.items() if other != name}
        yield good | {name: 1 if isinstance(value, np.ndarray | str) else "text"}
        if isinstance(value, np.ndarray) and value.ndim > 1:
            yield good | {name: value[..., None]}


def _pieces(rows: Block) -> Iterator[Block]:
    """Cut rows into pieces of uneven length."""
    start = 0
    for length in cycle((1, 7, 64, 1, 200)):
        if start >= len(rows):
            return
        yield rows[start : start + length]
        start += length


def _arrays(evidence: object) -> list[np.ndarray[Any, Any]]:
    if evidence is None:
        return []
    if isinstance(evidence, tuple | list):
        return [array for part in evidence for array in _arrays(part)]
    return [np.asarray(evidence)]


def _joined(pieces: list[Any]) -> list[np.ndarray[Any, Any]]:
    return [np.concatenate(parts) for parts in zip(*map(_arrays, pieces), strict=True)]


def _bytes(learner: Learner) -> bytes:
    return encode(learner.snapshot(), kind="learner", version=1)


def _through_bytes(snapshot: Snapshot) -> Snapshot:
    return decode(encode(snapshot, kind="learner", version=1), kind="learner", version=1)


def _require(holds: bool, what: str) -> None:
    if not holds:
        raise BrokenLawError(what)


def _same_evidence(one: object, other: object, what: str) -> None:
    a, b = _arrays(one), _arrays(other)
    _require(len(a) == len(b), f"{what} differ in the number of arrays of evidence")
    for k, (x, y) in enumerate(zip(a, b, strict=True)):
        same = x.shape == y.shape and np.array_equal(x, y, equal_nan=x.dtype.kind == "f")
        _require(same, f"{what} differ in evidence {k}")


def _same_state(one: Learner, other: Learner, what: str) -> None:
    a, b = one.snapshot(), other.snapshot()
    for name in a:
        same = encode({name: a[name]}, kind="", version=0) == encode({name: b[name]}, kind="", version=0)
        _require(same, f"{what} differ in state {name}")


def _finite(learner: Learner, rows: Block, what: str) -> Learner:
    """Feed rows and require that nothing infinite comes out or stays."""
    evidence = learner.step(rows.copy())
    for k, array in enumerate(_arrays(evidence)):
        _require(not np.isinf(array.astype(np.float64)).any(), f"{what}: evidence {k} is infinite")
    for name, value in learner.snapshot().items():
        array = np.asarray(value)
        _require(array.dtype.kind != "f" or not np.isinf(array).any(), f"{what}: {name} is infinite")
    return learner
