"""What a server measures, read by Prometheus' own parser."""

from types import SimpleNamespace

import pytest
from prometheus_client.parser import text_string_to_metric_families

from ossicle.serving.measures import Measures, Pace


def read(measures: Measures) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """All samples, by name and labels."""
    families = text_string_to_metric_families(measures.text().decode())
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in families
        for sample in family.samples
    }


def key(name: str, **labels: str) -> tuple[str, frozenset[tuple[str, str]]]:
    return f"ossicle_{name}", frozenset(labels.items())


def test_requests_are_counted_by_endpoint_and_not_by_path() -> None:
    measures = Measures()
    route = SimpleNamespace(path="/v1/adapters/{name}")
    for name in ("a", "b"):
        scope = {"path": f"/v1/adapters/{name}", "route": route, "method": "DELETE"}
        measures.request(scope, 204)
    for number in range(100):
        measures.request({"path": f"/{number}", "method": f"M{number}"}, 404)
    found = read(measures)
    one = {"endpoint": "/v1/adapters/{name}", "method": "DELETE", "status": "204"}
    other = {"endpoint": "other", "method": "other", "status": "404"}
    assert found[key("requests_total", **one)] == 2
    assert found[key("requests_total", **other)] == 100
    assert len([name for name, _ in found if name == "ossicle_requests_total"]) == 2


def test_stages_are_observed_in_seconds() -> None:
    measures = Measures()
    for seconds in (0.015, 0.003):
        measures.stage("decode", seconds)
    measures.stage("total", 0.06)
    found = read(measures)
    assert found[key("stage_seconds_sum", stage="decode")] == pytest.approx(0.018)
    assert found[key("stage_seconds_count", stage="decode")] == 2
    assert found[key("stage_seconds_bucket", stage="decode", le="0.01")] == 1
    assert found[key("stage_seconds_count", stage="queue")] == 0
    assert found[key("stage_seconds_sum", stage="total")] == pytest.approx(0.06)


def test_rows_are_counted_by_adapters_that_are_served() -> None:
    measures = Measures()
    measures.serve_adapters(["x", 'with "quotes"\nand lines'])
    measures.adapter_rows("x", 3)
    measures.adapter_rows('with "quotes"\nand lines')
    measures.adapter_rows("of nobody")
    rows = {labels: value for (name, labels), value in read(measures).items() if "_rows_t" in name}
    assert rows == {
        frozenset({("adapter", "x")}): 3,
        frozenset({("adapter", 'with "quotes"\nand lines')}): 1,
    }
    measures.serve_adapters(["y"])
    measures.adapter_rows("x")  # a request that had begun
    rows = {labels: value for (name, labels), value in read(measures).items() if "_rows_t" in name}
    assert rows == {frozenset({("adapter", "y")}): 0}


def test_batches_gauges_and_memory() -> None:
    measures = Measures()
    waiting = [1, 2, 3]
    measures.gauge("queue_rows", "Rows that wait.", lambda: len(waiting))
    for rows in (1, 8, 32):
        measures.batch(rows)
    waiting.pop()
    found = read(measures)
    assert found[key("queue_rows")] == 2
    assert found[key("batch_rows_sum")] == 41
    assert found[key("batch_rows_bucket", le="8.0")] == 2
    assert found["process_resident_memory_bytes", frozenset()] > 10e6


def test_two_servers_of_a_process_count_apart() -> None:
    one, other = Measures(), Measures()
    one.batch(5)
    assert read(other)[key("batch_rows_count")] == 0


def test_the_time_for_requests_is_that_of_the_last_batches() -> None:
    pace = Pace(kept=0.5)
    assert pace.seconds_for(10) == 0  # nothing is known yet
    pace.ran(100.0, 102.0)
    for _ in range(4):
        pace.answered()
    assert pace.seconds_for(10) == pytest.approx(10 * 2 / 4)
    pace.ran(110.0, 113.0)
    pace.answered()
    assert pace.seconds_for(1) == pytest.approx((0.5 * 2 + 3) / (0.5 * 4 + 1))


def test_time_in_which_two_models_compute_counts_once() -> None:
    pace = Pace(kept=1.0)
    for begun_s, done_s in ((0.0, 2.0), (1.0, 3.0), (1.5, 2.5)):
        pace.ran(begun_s, done_s)
        pace.answered()
    assert pace.seconds_for(3) == pytest.approx(3.0)
