"""Which columns are judged together: those of one entity, within sizes that a detector can do something with."""

import numpy as np
from numpy.typing import NDArray

__all__ = ["group_columns", "owner_of"]

Counts = NDArray[np.int64]


def owner_of(entity: str) -> str:
    """Tell whose a column of this entity is: an edge ``edge:a>b``, a call from a to b, belongs to b.

    Examples
    --------
    >>> owner_of("edge:shop>basket"), owner_of("basket")
    ('basket', 'basket')
    """
    return entity.rpartition(">")[2] if entity.startswith("edge:") else entity


def group_columns(owner: Counts, group: Counts, pooled: list[bool], *, least: int, most: int) -> Counts:
    """Give columns that have appeared at the right a group; those that have one keep it.

    The new columns of an entity go to its group, or make one. An entity without a group, of which fewer than `least`
    columns appear, is put into a pool with others like it. A group takes up to `most` columns; what is more is cut
    into further groups of nearly equal size; a rest of fewer than `least` stays with the others.

    Parameters
    ----------
    owner
        ``int64[d]`` entity of each column.
    group
        ``int64[d0]`` group of the first d0 of them.
    pooled
        Of each group, whether it is a pool; new groups are appended to it.

    Returns
    -------
    NDArray
        ``int64[d]``.

    Examples
    --------
    >>> pooled = []
    >>> group_columns(np.array([0, 0, 0, 1, 2]), np.empty(0, np.int64), pooled, least=3, most=100).tolist(), pooled
    ([0, 0, 0, 1, 1], [False, True])
    """
    before = len(group)
    group = np.concatenate([group, np.full(len(owner) - before, -1, np.int64)])
    size = np.bincount(group[:before], minlength=len(pooled)).tolist()

    def put(columns: Counts, into: list[int], *, pool: bool) -> None:
        if not into:
            into = [len(size)]
            size.append(0)
            pooled.append(pool)
        group[columns] = into[-1]
        size[into[-1]] += len(columns)

    for entity in dict.fromkeys(owner[before:].tolist()):
        columns = before + np.flatnonzero(owner[before:] == entity)
        home = [g for g in np.unique(group[owner == entity]).tolist() if g >= 0 and not pooled[g]][-1:]
        if not home and len(columns) < least:
            put(columns, [g for g in range(len(size)) if pooled[g] and size[g] + len(columns) <= most], pool=True)
            continue
        if home and size[home[0]] < most:
            room = most - size[home[0]]
            room = len(columns) if len(columns) - room < least else room
            put(columns[:room], home, pool=False)
            columns = columns[room:]
        for part in np.array_split(columns, -(-len(columns) // most)) if len(columns) else ():
            put(part, [], pool=False)
    return group
