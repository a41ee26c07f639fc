"""Counts and durations of requests in the Prometheus text format, by route template (never by path: codes are unbounded)."""

from collections import Counter

BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Upper bounds of the histogram [s]."""

Route = tuple[str, str]


class Metrics:
    """Requests of one process."""

    def __init__(self) -> None:
        self._requests: Counter[tuple[str, str, int]] = Counter()
        self._buckets: dict[Route, list[int]] = {}
        self._seconds: Counter[Route] = Counter()

    def observe(self, method: str, route: str, status: int, seconds: float) -> None:
        """Note a finished request.

        Parameters
        ----------
        seconds
            Duration [s].
        """
        self._requests[method, route, status] += 1
        counts = self._buckets.setdefault((method, route), [0] * (len(BUCKETS_S) + 1))
        counts[next((place for place, bound in enumerate(BUCKETS_S) if seconds <= bound), len(BUCKETS_S))] += 1
        self._seconds[method, route] += seconds  # type: ignore[assignment]  # a Counter adds floats as well

    def text(self) -> str:
        """Return all metrics in the text format, version 0.0.4."""
        lines = ["# HELP cim_http_requests_total Requests answered.", "# TYPE cim_http_requests_total counter"]
        for (method, route, status), count in sorted(self._requests.items()):
            lines.append(f'cim_http_requests_total{{method="{method}",route="{route}",status="{status}"}} {count}')
        lines += ["# HELP cim_http_request_duration_seconds Duration of requests.", "# TYPE cim_http_request_duration_seconds histogram"]
        for (method, route), counts in sorted(self._buckets.items()):
            labels, total = f'method="{method}",route="{route}"', 0
            for bound, count in zip([*BUCKETS_S, "+Inf"], counts, strict=True):
                total += count
                lines.append(f'cim_http_request_duration_seconds_bucket{{{labels},le="{bound}"}} {total}')
            lines.append(f"cim_http_request_duration_seconds_sum{{{labels}}} {self._seconds[method, route]:.6f}")
            lines.append(f"cim_http_request_duration_seconds_count{{{labels}}} {total}")
        return "\n".join(lines) + "\n"
