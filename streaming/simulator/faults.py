"""The faults: each turns one knob of one entity, a capacity or a behaviour, and touches no metric."""

from collections.abc import Callable
from functools import reduce
from typing import NamedTuple

from .entity import Entity
from .system import REPLICAS

__all__ = ["FAULTS", "Fault"]


class Fault(NamedTuple):
    """One type of fault. `metrics` are those of the true service that show it most directly, the best first."""

    name: str
    services: tuple[str, ...]  # where it can happen
    knob: str  # path from the entity to the attribute
    sick: float
    metrics: tuple[str, ...]

    def inject(self, entity: Entity) -> Callable[[], None]:
        """Turn the knob; the result turns it back."""
        *path, attribute = self.knob.split(".")
        part: object = reduce(getattr, path, entity)
        healthy = getattr(part, attribute)
        setattr(part, attribute, self.sick)
        return lambda: setattr(part, attribute, healthy)


FAULTS: dict[str, Fault] = {
    fault.name: fault
    for fault in (
        # The fan of a GPU fails: it heats up, and its firmware takes the clock down.
        Fault("gpu_thermal_throttling", REPLICAS, "gpu.resistance", 6.5, ("gpu_temp_celsius", "gpu_clock_hz")),
        # Nine tenths of a KV-cache are held by sequences that are gone.
        Fault("kv_cache_leak", REPLICAS, "leaked", 54_000, ("kv_cache_usage", "waiting_len")),
        # A roll-out of a wrong configuration: a batch of 4 instead of 32.
        Fault("batch_limit", REPLICAS, "limit", 4, ("waiting_len", "ttft_p95_s")),
        # The disk has used up its burst credits.
        Fault("slow_disk", ("database",), "station.speed", 0.15, ("disk_latency_s", "latency_p95_s")),
        # A bulk import of other tenants pushes the sessions out of the cache.
        Fault("cache_eviction_storm", ("cache",), "others", 150.0, ("evictions_per_s", "hit_ratio")),
        # One replica has six times the weight of each other.
        Fault("router_imbalance", ("router",), "bias", 6.0, ("share_max", "queue_len")),
        # A sick network card: every call to the entity takes longer.
        Fault("network_delay", ("auth", "session", "tokenizer"), "nic.extra", 0.6, ("net_rtt_s",)),
        # Another tenant of the hypervisor, whom nobody here can see, takes the CPU.
        Fault("cpu_steal", ("tokenizer",), "stolen", 0.8, ("cpu_steal_ratio", "cpu_util")),
        # Connections that are never closed hold the gateway's slots.
        Fault("connection_leak", ("gateway",), "lost_slots", 240, ("slots_util", "accept_queue_len")),
        # What lives nearly fills the heap: collections follow each other.
        Fault("memory_pressure", ("auth",), "live", 985.0, ("gc_pause_ratio", "heap_live_bytes")),
        # The object store answers ten times slower.
        Fault("slow_store", ("store",), "station.speed", 0.1, ("first_byte_s", "latency_p95_s")),
    )
}
"""All fault types by name."""
