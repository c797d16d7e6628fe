"""What is watched while a topic is read: order of offsets, silence, and how to get past damage. Pure."""

from collections.abc import Callable

__all__ = ["Alarms", "Cursor", "first_readable"]


class Cursor:
    """Where one partition stands: `next` offset to read, `end` of the log as last told.

    The log's own checksum does not cover a batch's base offset, so offsets are checked here: they may jump
    (compaction, transactions) but never repeat, go back, or lie beyond the end.

    Examples
    --------
    >>> cursor = Cursor(next=5, end=9, now=0.0)
    >>> [cursor.accept(offset, end=9) for offset in (5, 6, 6, 4, 8, 9)]
    [True, True, False, False, True, False]
    >>> cursor.next, cursor.dropped
    (9, 3)
    """

    __slots__ = ("behind", "dropped", "end", "idle", "moved", "next")

    def __init__(self, next: int, end: int, now: float) -> None:  # noqa: A002  (the word for the next offset)
        self.next = next
        self.end = end
        self.dropped = 0
        self.moved = now
        self.idle = False  # read to its end and silent, and said so
        self.behind: float | None = None  # since when the end is ahead and nothing comes

    def accept(self, offset: int, end: int) -> bool:
        """Move past `offset` if it can be true; count it if not."""
        if not self.next <= offset < end:
            self.dropped += 1
            return False
        self.next = offset + 1
        return True

    def jump(self, offset: int) -> None:
        """Go to another place in the log."""
        self.next, self.idle, self.behind = offset, False, None

    def progress(self, now: float, end: int) -> None:
        """Records came at `now`."""
        self.moved, self.end, self.idle, self.behind = now, end, False, None

    def look(self, now: float, end: int, position: int) -> bool:
        """Nothing came, although the broker answers that the log ends at `end`; the client stands at `position`.

        Returns whether the partition is idle as of now: read to its end. The client may stand further on than
        the last record, as markers of transactions have offsets too.
        """
        self.end = end
        if self.next < position <= end:
            self.next = position
        was, self.idle = self.idle, self.next >= end
        self.behind = None if self.idle else now if self.behind is None else self.behind
        return self.idle and not was


class Alarms:
    """Sentences that stand until they are cleared, each told once.

    Examples
    --------
    >>> alarms = Alarms()
    >>> alarms.raise_("outage", "no answer"), alarms.raise_("outage", "no answer for longer")
    (None, None)
    >>> alarms.news(), alarms.news(), alarms.standing()
    (['no answer'], [], ['no answer for longer'])
    """

    def __init__(self) -> None:
        self._standing: dict[str, str] = {}
        self._news: list[str] = []

    def raise_(self, key: str, text: str, *, again: bool = False) -> None:
        """Let `text` stand under `key`; it is news if `key` does not stand yet, or if it happened `again`."""
        if again or key not in self._standing:
            self.tell(text)
        self._standing[key] = text

    def tell(self, text: str) -> None:
        """Let `text` be news, though nothing is wrong."""
        self._news = [*self._news[-99:], text]

    def clear(self, key: str) -> None:
        """Nothing is wrong under `key` any more."""
        self._standing.pop(key, None)

    def news(self) -> list[str]:
        """Sentences that are new since the last call."""
        news, self._news = self._news, []
        return news

    def standing(self) -> list[str]:
        """Sentences that stand."""
        return list(self._standing.values())


def first_readable(readable: Callable[[int], bool], low: int, end: int) -> int:
    """Return the first offset in `low`...`end` that is `readable`; `end`, where nothing is yet, counts as one.

    Steps double, then halve: 2 log2(n) trials for n offsets that cannot be read, so that one damaged batch is
    lost and no record after it.

    Examples
    --------
    >>> tried = []
    >>> first_readable(lambda offset: tried.append(offset) or offset >= 30, 20, 100), tried
    (30, [20, 21, 22, 24, 28, 36, 32, 30, 29])
    >>> first_readable(lambda offset: False, 20, 23)
    23
    """
    if readable(low):
        return low
    bad, good, step = low, min(low + 1, end), 1
    while good < end and not readable(good):
        step *= 2
        bad, good = good, min(low + step, end)
    while good - bad > 1:
        middle = (bad + good) // 2
        bad, good = (bad, middle) if readable(middle) else (middle, good)
    return good
