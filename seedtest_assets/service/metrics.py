"""Metrics for Prometheus: counts and seconds, no ids and no answers."""

from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from seedtest_assets.service.workers import Workers

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300)


class Metrics:
    """The metrics of one service."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "irt_requests", "Requests answered, by path and status.", ["path", "status"], registry=self.registry
        )
        self.failures = Counter(
            "irt_failures",
            "Requests that got an error, by path and status.",
            ["path", "status"],
            registry=self.registry,
        )
        self.seconds = Histogram(
            "irt_request_seconds",
            "From the first byte in to the last byte out.",
            ["path"],
            buckets=SECONDS,
            registry=self.registry,
        )
        self.answers = Counter("irt_answers", "Answers calibrated or scored.", ["path"], registry=self.registry)
        self.items = Counter("irt_items", "Items calibrated or scored with.", ["path"], registry=self.registry)
        self.anchors = Counter("irt_anchors", "Anchors received with calibrations.", registry=self.registry)
        self.linking = Counter(
            "irt_linkings", "Finished calibrations, by what they were linked to.", ["linked_to"], registry=self.registry
        )
        self.running = Gauge("irt_running", "Tasks that run in a process.", ["kind"], registry=self.registry)
        self.waiting = Gauge("irt_waiting", "Tasks that wait for a process.", ["kind"], registry=self.registry)

    def watch(self, workers: Workers) -> None:
        """Read the state of a queue whenever the page is requested."""
        self.running.labels(workers.name).set_function(lambda: workers.running)
        self.waiting.labels(workers.name).set_function(lambda: workers.admitted - workers.running)

    def request(self, path: str, status: int, seconds: float, facts: dict[str, Any]) -> None:
        """Count a request that was answered."""
        self.requests.labels(path, status).inc()
        if status >= 400:
            self.failures.labels(path, status).inc()
        self.seconds.labels(path).observe(seconds)
        self.answers.labels(path).inc(facts.get("answers", 0))
        self.items.labels(path).inc(facts.get("items", 0))
        self.anchors.inc(facts.get("anchors", 0))
        if "linked_to" in facts:
            self.linking.labels(facts["linked_to"]).inc()

    def page(self) -> bytes:
        """Write the text of GET /metrics."""
        return generate_latest(self.registry)
