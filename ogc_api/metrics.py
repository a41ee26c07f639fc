"""Metrics for Prometheus, by route template (never by path: codes are unbounded); several processes are added up."""

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram, generate_latest, multiprocess, values

BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Upper bounds of the histogram [s]."""

CONTENT_TYPE = CONTENT_TYPE_LATEST


class Metrics:
    """Requests of one process, or, where processes share a folder (``PROMETHEUS_MULTIPROC_DIR``), of all of them."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._requests = Counter("cim_http_requests", "Requests answered.", ["method", "route", "status"], registry=self._registry)
        self._seconds = Histogram(
            "cim_http_request_duration_seconds", "Duration of requests.", ["method", "route"], buckets=BUCKETS_S, registry=self._registry
        )
        self._jobs = Gauge("cim_process_jobs", "Process jobs by state.", ["state"], registry=self._registry, multiprocess_mode="mostrecent")
        self._children: dict[tuple[str, str, int], Counter] = {}
        self._histograms: dict[tuple[str, str], Histogram] = {}

    def observe(self, method: str, route: str, status: int, seconds: float) -> None:
        """Note a finished request.

        Parameters
        ----------
        seconds
            Duration [s].
        """
        # Methods are the client's text: an unbounded label otherwise.
        method = method if method in {"GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"} else "OTHER"
        counter = self._children.get((method, route, status))
        if counter is None:
            counter = self._children[method, route, status] = self._requests.labels(method, route, str(status))
        counter.inc()
        histogram = self._histograms.get((method, route))
        if histogram is None:
            histogram = self._histograms[method, route] = self._seconds.labels(method, route)
        histogram.observe(seconds)

    def set_jobs(self, counts: dict[str, int]) -> None:
        """Note the number of process jobs by state."""
        for state, number in counts.items():
            self._jobs.labels(state).set(number)

    def text(self) -> bytes:
        """Return all metrics in the text format of Prometheus."""
        if values.ValueClass is values.MutexValue:
            return generate_latest(self._registry)
        shared = CollectorRegistry()
        multiprocess.MultiProcessCollector(shared)  # type: ignore[no-untyped-call]  # the package types it partly
        return generate_latest(shared)
