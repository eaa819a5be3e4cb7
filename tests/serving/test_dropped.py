"""Work of clients that have left, and what the server measures of the others."""

import asyncio
import io
import threading
import time

import numpy as np
import pytest
import soundfile
from fastapi.testclient import TestClient
from prometheus_client.parser import text_string_to_metric_families

from ossicle.serving.engine import Asked, Engine

pytestmark = pytest.mark.thorough


def recording(seconds: float = 0.5) -> bytes:
    buffer = io.BytesIO()
    noise = np.random.default_rng(0).normal(0, 0.1, round(16_000 * seconds))
    soundfile.write(buffer, noise, 16_000, format="WAV")
    return buffer.getvalue()


def measured(client: TestClient, name: str, **labels: str) -> float:
    families = text_string_to_metric_families(client.get("/metrics").text)
    return sum(
        sample.value
        for family in families
        for sample in family.samples
        if sample.name == f"ossicle_{name}" and labels.items() <= sample.labels.items()
    )


def test_a_row_whose_client_has_left_is_not_run(engine: Engine, client: TestClient) -> None:
    (host,) = engine.hosts.all()
    before, release = measured(client, "batch_rows_count"), threading.Event()
    blocking = threading.Thread(target=host.batcher.call, args=(release.wait,))
    blocking.start()

    async def leave_while_it_waits() -> None:
        asking = asyncio.create_task(engine.predict(Asked(recording(), adapters=("lora",))))
        while not len(host.batcher):
            await asyncio.sleep(0.01)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking

    asyncio.run(leave_while_it_waits())
    release.set()
    blocking.join()
    while len(host.batcher):
        time.sleep(0.01)
    time.sleep(0.1)
    assert measured(client, "batch_rows_count") == before
    named = {"adapter": "lora"}
    assert client.post("/v1/predict", data=named, files={"file": recording()}).is_success


def test_metrics_count_what_was_answered(client: TestClient) -> None:
    names = {"adapter": ["lora", "other"]}
    wanted = {"endpoint": "/v1/predict", "method": "POST"}
    before = measured(client, "adapter_rows_total", adapter="lora")
    answered = measured(client, "requests_total", status="200", **wanted)
    refused = measured(client, "requests_total", status="422", **wanted)
    unknown = measured(client, "requests_total", endpoint="other")
    long = recording(2.2)
    assert client.post("/v1/predict", data=names, files={"file": long}).is_success
    assert client.post("/v1/predict", data=names, files={"file": b"x"}).status_code in (400, 422)
    assert client.get("/no/such/page").status_code == 404
    assert measured(client, "requests_total", status="200", **wanted) == answered + 1
    assert measured(client, "requests_total", status="422", **wanted) == refused + 1
    assert measured(client, "requests_total", endpoint="other") == unknown + 1
    rows = measured(client, "adapter_rows_total", adapter="lora") - before
    assert rows >= 1
    assert measured(client, "adapters_resident") == 3
    assert measured(client, "queue_rows") == 0
    for stage in ("decode", "queue", "model", "total"):
        assert measured(client, "stage_seconds_count", stage=stage) >= 1
