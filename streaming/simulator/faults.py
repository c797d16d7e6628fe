"""The faults: each changes a capacity or a behaviour of one service, and no metric's value."""

from collections.abc import Callable
from typing import NamedTuple

from .system import System

__all__ = ["FAULTS", "Fault"]


class Fault(NamedTuple):
    """One type of fault. `metrics` are those of the true service that show it most directly."""

    name: str
    services: tuple[str, ...]  # where it can happen
    metrics: tuple[str, ...]
    begin: Callable[[System, str], None]
    end: Callable[[System, str], None]


REPLICAS = ("replica-0", "replica-1", "replica-2", "replica-3")


def _cooling(factor: float) -> Callable[[System, str], None]:
    def act(system: System, service: str) -> None:
        system.replicas[service].gpu.cooling = factor

    return act


def _leak(share: float) -> Callable[[System, str], None]:
    def act(system: System, service: str) -> None:
        replica = system.replicas[service]
        replica.leaked = int(share * replica.capacity)

    return act


def _batch(limit: int) -> Callable[[System, str], None]:
    def act(system: System, service: str) -> None:
        system.replicas[service].limit = limit

    return act


def _speed(factor: float) -> Callable[[System, str], None]:
    def act(system: System, service: str) -> None:
        system.services[service].station.speed = factor

    return act


def _flood(entries: int) -> Callable[[System, str], None]:
    def act(system: System, _: str) -> None:
        system.cache.flood = entries

    return act


def _weight(factor: float) -> Callable[[System, str], None]:
    def act(system: System, _: str) -> None:
        system.router.weights[system.pick] = factor

    return act


def _network(seconds: float) -> Callable[[System, str], None]:
    def act(system: System, service: str) -> None:
        system.services[service].nic.extra = seconds

    return act


def _steal(share: float) -> Callable[[System, str], None]:
    def act(system: System, _: str) -> None:
        system.tokenizer.stolen = share

    return act


def _slots(lost: int) -> Callable[[System, str], None]:
    def act(system: System, _: str) -> None:
        system.gateway.lost_slots = lost

    return act


def _live(megabytes: float) -> Callable[[System, str], None]:
    def act(system: System, _: str) -> None:
        system.auth.live = megabytes

    return act


FAULTS: dict[str, Fault] = {
    fault.name: fault
    for fault in (
        Fault("gpu_thermal_throttling", REPLICAS, ("gpu_temp_celsius", "gpu_clock_hz"), _cooling(5.5), _cooling(1.0)),
        Fault("kv_cache_leak", REPLICAS, ("kv_cache_usage",), _leak(0.8), _leak(0.0)),
        Fault("batch_limit", REPLICAS, ("waiting_len", "running_len"), _batch(3), _batch(16)),
        Fault("slow_disk", ("database",), ("disk_latency_s", "disk_util"), _speed(0.06), _speed(1.0)),
        Fault("cache_eviction_storm", ("cache",), ("evictions_per_s", "hit_ratio"), _flood(150), _flood(0)),
        Fault("router_imbalance", ("router",), ("share_max",), _weight(6.0), _weight(1.0)),
        Fault("network_delay", ("auth", "session", "tokenizer"), ("net_rtt_s",), _network(1.0), _network(0.0)),
        Fault("cpu_steal", ("tokenizer",), ("cpu_steal_ratio", "cpu_util"), _steal(0.82), _steal(0.0)),
        Fault("connection_leak", ("gateway",), ("slots_util", "accept_queue_len"), _slots(240), _slots(0)),
        Fault("memory_pressure", ("auth",), ("gc_pause_ratio", "heap_bytes"), _live(965.0), _live(300.0)),
        Fault("slow_store", ("store",), ("first_byte_s", "latency_p95_s"), _speed(0.04), _speed(1.0)),
    )
}
