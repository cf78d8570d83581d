"""What Prometheus reads at `/metrics`."""

from collections.abc import Iterator, Mapping

from prometheus_client import Counter, Gauge, Histogram
from prometheus_client.core import CounterMetricFamily
from prometheus_client.registry import Collector

HTTP_REQUESTS = Counter(
    "cyberhub_http_requests_total", "HTTP answers", ("method", "route", "status")
)
SOCKETS_CONNECTED = Gauge(
    "cyberhub_sockets_connected", "Socket.IO clients connected to this worker"
)
EVENTS_DELIVERED = Counter("cyberhub_events_delivered_total", "Events delivered", ("event",))
COMMIT_TO_DELIVERY = Histogram(
    "cyberhub_commit_to_delivery_seconds",
    "From the writing of an event, just before its commit, to its delivery",
    buckets=(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 5, 30),
)
FEEDS_OPEN = Gauge("cyberhub_feeds_open", "Listeners beside Socket.IO, by door", ("door",))
FEEDS_OVERFLOWED = Counter(
    "cyberhub_feeds_overflowed_total", "How often a slow listener went back to reading the log"
)
REACTOR_EVENTS = Counter(
    "cyberhub_reactor_events_total", "Events emitted on the reactor", ("type",)
)
OPENINGS = Counter("cyberhub_openings_total", "Cases opened")
RECOVERIES = Counter(
    "cyberhub_recoveries_total",
    "Sockets that connected, by what became of their past",
    ("outcome",),
)
REDIS_DROPPED = Counter(
    "cyberhub_redis_dropped_total", "Ephemeral events that other workers did not hear"
)
TRIMMED = Counter("cyberhub_events_trimmed_total", "Events removed from the log by their age")
CALLBACKS = Counter("cyberhub_payment_callbacks_total", "Payment callbacks", ("outcome",))


class EngineBounds(Collector):
    """How often each bound of the transport was met, as the engine counts it."""

    def __init__(self, counted: Mapping[str, int]) -> None:
        self._counted = counted

    def collect(self) -> Iterator[CounterMetricFamily]:
        family = CounterMetricFamily(
            "cyberhub_engine_bounds_met", "How often a client met a bound", labels=("bound",)
        )
        for name, count in self._counted.items():
            family.add_metric((name,), count)
        yield family
