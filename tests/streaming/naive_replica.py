"""The slow, obvious twin of a replica: one decoding step after the other, and every sequence counted by hand."""

from typing import NamedTuple

__all__ = ["Job", "token_by_token"]


class Job(NamedTuple):
    arrived: float
    prompt: int
    new_tokens: int
    output: int


def token_by_token(jobs: list[Job], *, limit: int, capacity: int) -> tuple[list[float], list[float], int]:
    """Times of the first tokens and of the ends, by job, and how often one was thrown out."""
    first = [-1.0] * len(jobs)
    end = [-1.0] * len(jobs)
    to_come, waiting, running = list(range(len(jobs))), [], []
    context = [job.prompt for job in jobs]  # what it holds in the cache when it is in the batch
    to_compute = [job.new_tokens for job in jobs]
    left = [job.output for job in jobs]
    time, thrown = 0.0, 0
    while to_come or waiting or running:
        if not waiting and not running:
            time = max(time, jobs[to_come[0]].arrived)
        while to_come and jobs[to_come[0]].arrived <= time:
            waiting.append(to_come.pop(0))
        budget, entering = 4096, []
        while waiting and budget > 0:
            batch = running + entering
            room = capacity - sum(context[k] for k in batch)
            if batch and (len(batch) >= limit or context[waiting[0]] + 64 > room):
                break
            k = waiting.pop(0)
            budget -= to_compute[k]
            entering.append(k)
        if entering:
            time += 0.012 + sum(to_compute[k] for k in entering) / 7500.0
            for k in entering:
                first[k] = time if first[k] < 0 else first[k]
            running += entering
            continue
        while len(running) > 1 and capacity - sum(context[k] for k in running) < len(running):
            k = running.pop()  # the one that came last
            to_compute[k] = context[k]
            waiting.insert(0, k)
            thrown += 1
        time += 0.015 + 0.00025 * len(running)
        for k in list(running):
            context[k] += 1
            left[k] -= 1
            if left[k] == 0:
                running.remove(k)
                end[k] = time
    return first, end, thrown
