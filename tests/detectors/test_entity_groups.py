"""Which columns are judged together."""

import numpy as np
import pytest

from headwater.detectors.entity_groups import group_columns, owner_of


def grouped(*calls: str, least: int = 3, most: int = 5) -> tuple[list[int], list[bool]]:
    """Groups of columns named by the letters of their entities, which appear in several calls."""
    owner, group, pooled = np.empty(0, np.int64), np.empty(0, np.int64), []
    for letters in calls:
        owner = np.append(owner, [ord(letter) - ord("a") for letter in letters])
        before, group = group, group_columns(owner, group, pooled, least=least, most=most)
        assert group[: len(before)].tolist() == before.tolist(), "a column never moves"
    return group.tolist(), pooled


def test_an_edge_belongs_to_the_one_that_is_called() -> None:
    assert [owner_of(name) for name in ("edge:a>b", "edge:a>b>c", "a>b", "")] == ["b", "c", "a>b", ""]


def test_an_entity_is_a_group_wherever_its_columns_are() -> None:
    assert grouped("abababc"[:6]) == ([0, 1, 0, 1, 0, 1], [False, False])


def test_small_ones_share_a_pool_until_it_is_full() -> None:
    assert grouped("abbaaccdee") == ([0, 1, 1, 0, 0, 1, 1, 1, 2, 2], [False, True, True])


def test_large_ones_are_cut_evenly() -> None:
    assert grouped("a" * 12) == ([0] * 4 + [1] * 4 + [2] * 4, [False] * 3)


@pytest.mark.parametrize(
    ("calls", "groups"),
    [
        (("aaa", "a"), [0, 0, 0, 0]),
        (("aaa", "aaaaa"), [0, 0, 0, 0, 0, 1, 1, 1]),
        (("aaa", "aaaa"), [0] * 7),  # a rest of two would be too small
        (("aaaaa", "a", "a"), [0, 0, 0, 0, 0, 1, 1]),
        (("a", "aaa"), [0, 1, 1, 1]),  # what is pooled stays there
        (("a", "a"), [0, 0]),
        (("aab", "bbb"), [0, 0, 0, 1, 1, 1]),
    ],
)
def test_columns_that_appear_later(calls: tuple[str, ...], groups: list[int]) -> None:
    assert grouped(*calls)[0] == groups


def test_sizes_hold_for_whatever_appears() -> None:
    draw = np.random.default_rng(1)
    calls = ["".join(draw.choice(list("abcdefgh"), draw.integers(1, 30))) for _ in range(40)]
    group, _ = grouped(*calls, least=3, most=10)
    assert np.bincount(group).max() <= 12
