"""What Prometheus reads: the store's own figures, which are the truth for every process, and this process's requests.

The request figures live in this process's memory, so the web server runs as one gunicorn process with many threads.
"""

from __future__ import annotations

import time
from collections.abc import Iterable

from flask import Flask, Response, g, request
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from core.errors import StoreUnavailable
from web.events import OpenStreams
from worker.jobs.store import JobStore

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class StoreCollector(Collector):
    """Asks the store when Prometheus asks us; a store that does not answer is a figure too."""

    def __init__(self, store: JobStore) -> None:
        self._store = store

    def collect(self) -> Iterable[Metric]:
        try:
            stats = self._store.stats()
        except StoreUnavailable:
            yield GaugeMetricFamily("ritornello_store_up", "1 when the job store answers.", 0)
            return
        yield GaugeMetricFamily("ritornello_store_up", "1 when the job store answers.", 1)
        yield GaugeMetricFamily("ritornello_jobs_queued", "Jobs that wait.", stats.queued)
        yield GaugeMetricFamily("ritornello_jobs_running", "Jobs that an engine holds.", stats.running)
        yield GaugeMetricFamily("ritornello_workers", "Engines with a live heartbeat.", stats.workers)
        yield GaugeMetricFamily("ritornello_store_bytes", "What all jobs hold against the quota.", stats.artifact_bytes)
        if stats.seconds_per_job is not None:
            yield GaugeMetricFamily("ritornello_seconds_per_job", "Mean time from claim to finish.", stats.seconds_per_job)
        for name, value in sorted(stats.counters.items()):
            yield CounterMetricFamily(
                f"ritornello_{name}", f"{name.replace('_', ' ').capitalize()} since the store began.", value
            )


class RequestMetrics:
    """Counts requests and times them to the first byte of the answer; `registry` holds all that is shown."""

    def __init__(self, store: JobStore, streams: OpenStreams) -> None:
        self.registry = CollectorRegistry()
        self.registry.register(StoreCollector(store))
        self._requests = Counter(
            "ritornello_http_requests", "Requests answered.", ["method", "endpoint", "status"], registry=self.registry
        )
        self._seconds = Histogram(
            "ritornello_http_request_seconds", "Time to the answer's first byte.", ["endpoint"], registry=self.registry
        )
        open_streams = Gauge("ritornello_event_streams", "Event streams that are open.", registry=self.registry)
        open_streams.set_function(lambda: streams.count)

    def watch(self, app: Flask) -> None:
        app.before_request(self._begin)
        app.after_request(self._end)

    def _begin(self) -> None:
        g.began = time.perf_counter()

    def _end(self, response: Response) -> Response:
        endpoint = request.endpoint or "none"  # never the path: its values are without number
        method = request.method if request.method in _METHODS else "other"
        self._requests.labels(method, endpoint, str(response.status_code)).inc()
        if "began" in g:
            self._seconds.labels(endpoint).observe(time.perf_counter() - g.began)
        return response
