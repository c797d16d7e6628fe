"""The scorer of triggers as one would say it, row by row; and the same with point adjustment, which must not pass."""

from headwater.benchmarks.detection.scoring import Counts, Labels


def naive_events(over: list[bool], rearm: int) -> list[int]:
    return [t for t, now in enumerate(over) if now and not any(over[max(0, t - rearm) : t])]


def naive_count(alarms: list[int], labels: Labels, early: int) -> Counts:
    hits, false, delays = 0, 0, []
    for first, last in labels.segments:
        for t in range(first - early, last + 1):
            if t in alarms:
                hits += 1
                delays.append(max(t - first, 0))
                break
    for t in alarms:
        false += not any(first - early <= t <= last + labels.grace for first, last in labels.segments)
    return Counts(len(labels.segments), hits, false, labels.rows, tuple(delays))


def adjusted_f1(alarms: list[int], labels: Labels) -> float:
    """F1 of rows after point adjustment: one alarm makes all rows of its segment right."""
    found = set(alarms)
    for first, last in labels.segments:
        if any(first <= t <= last for t in alarms):
            found |= set(range(first, last + 1))
    true = {t for first, last in labels.segments for t in range(first, last + 1)}
    return 2 * len(found & true) / (len(found) + len(true))
