"""Fixtures that more than one room's tests use."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from headwater.benchmarks.broker.broker import Broker, BrokerUnavailable


@pytest.fixture(scope="session")
def broker() -> Iterator[Broker]:
    """A real Kafka broker. Skips where none can be started, except in CI, where that is an error."""
    try:
        running = Broker().__enter__()
    except BrokerUnavailable as missing:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(f"no Kafka broker: {missing}")
    try:
        yield running
    finally:
        running.__exit__()


@pytest.fixture
def secured(broker: Broker) -> Broker:
    """The broker, if it is ours: with listeners for TLS and login, and free to be stopped."""
    if not broker.owned:
        pytest.skip("needs a broker of its own: unset HEADWATER_TEST_BROKER")
    return broker


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder of public recordings: HEADWATER_DATA, or ../shared/data beside the repository."""
    folder = Path(os.environ.get("HEADWATER_DATA", Path(__file__).parents[2] / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip("no recordings: set HEADWATER_DATA to the folder that holds them")
    return folder
