"""Requests on purpose wrong: each is refused in a sentence, and the next one is answered."""

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import psutil
import pytest
from fastapi.testclient import TestClient

from ossicle.serving.app import create_app
from ossicle.serving.engine import Engine
from sent_recordings import encoded, hostile, silence, tone, uncounted

pytestmark = pytest.mark.thorough

GOOD = encoded(tone())
BOUNDARY = "b"
FORM = {"content-type": f"multipart/form-data; boundary={BOUNDARY}"}
JSON = {"content-type": "application/json"}
RAW = {"content-type": "application/octet-stream"}
NAMES = [
    "../lora",
    "..%2Flora",
    "%2e%2e/%2e%2e/etc/passwd",
    "lora%00",
    "lora%0d%0aSet-Cookie:%20a=b",
    "%ff%fe",
    "a" * 5_000,
    "lora/../lora",
    "C:\\lora",
    "\N{GRINNING FACE}",
]


@pytest.fixture
def client(engine: Engine) -> Iterator[TestClient]:
    """A client, which in the end gets its answer as before."""
    made = TestClient(create_app(engine), raise_server_exceptions=True)
    yield made
    found = made.post("/v1/predict?adapter=lora", content=GOOD, headers=RAW)
    assert found.status_code == 200, found.text


def refused(response: httpx.Response) -> str:
    """Check that a request was refused, and return why."""
    assert 400 <= response.status_code < 500, response.text
    error = response.json()["error"]
    assert set(error) == {"message", "type"}
    assert len(error["message"]) > 10
    for leaked in ("Traceback", "/tmp", "site-packages", "ossicle.", "object at 0x"):
        assert leaked not in error["message"]
    assert "set-cookie" not in response.headers
    return str(error["message"])


def part(name: str, content: bytes, file: str | None = None) -> bytes:
    of_file = "" if file is None else f'; filename="{file}"'
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"{of_file}\r\n\r\n'
    return head.encode() + content + b"\r\n"


END = f"--{BOUNDARY}--\r\n".encode()
LORA = part("adapter", b"lora")


@pytest.mark.parametrize("way", ["form", "raw", "base64"])
@pytest.mark.parametrize("name", hostile())
def test_bad_recordings(client: TestClient, way: str, name: str) -> None:
    audio = hostile()[name]
    if way == "form":
        body = LORA + part("file", audio, "a.wav") + END
        response = client.post("/v1/predict", content=body, headers=FORM)
    elif way == "raw":
        response = client.post("/v1/predict?adapter=lora", content=audio, headers=RAW)
    else:
        text = base64.b64encode(audio).decode()
        response = client.post("/v1/predict", json={"audio": text, "adapters": ["lora"]})
    refused(response)


@pytest.mark.parametrize("path", ["/v1/audio/transcriptions", "/v1/embeddings", "/v1/verify"])
@pytest.mark.parametrize("name", ["no bytes", "noise", "a flac cut off", "NaN", "no channels"])
def test_bad_recordings_for_other_endpoints(client: TestClient, path: str, name: str) -> None:
    audio = hostile()[name]
    files = {"first": audio, "second": audio} if path == "/v1/verify" else {"file": audio}
    refused(client.post(path, files=files, data={"model": "lora"}))
    refused(client.post(path, files=files, data={"adapter": "lora"}))


@pytest.mark.parametrize("made", [silence(3), uncounted(silence(3))], ids=["counted", "uncounted"])
def test_hours_in_a_small_file(client: TestClient, made: bytes) -> None:
    before = psutil.Process().memory_info().rss
    response = client.post("/v1/predict?adapter=lora", content=made, headers=RAW)
    assert response.status_code == 413
    assert "longer than 600 s" in refused(response)
    assert psutil.Process().memory_info().rss - before < 50e6


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"--b",
        END,
        LORA + part("file", GOOD, "a.wav") + part("prompt", b"half of it")[:-2],  # no end
        (LORA + part("file", GOOD, "a.wav") + END)[:5_000],
        b"--c\r\n\r\n" + GOOD,
        part("adapter", b"lora") * 1_200 + part("file", GOOD, "a") + END,
        part("file", GOOD, "a") * 3 + END,
        b"".join(part(f"field{number}", b"x") for number in range(2_000)) + END,
        LORA + part("a" * 1_000_000, b"x") + END,
        LORA + part("prompt", b"x" * 3_000_000) + part("file", GOOD, "a") + END,
        LORA + part("prompt", b"\xff\xfe\x00") + part("file", GOOD, "a") + END,
        part("adapter", b"\xff\xfe") + part("file", GOOD, "a") + END,
        LORA + part("abstain", b"NaN") + part("file", GOOD, "a") + END,
        LORA + part("abstain", b"1e999") + part("file", GOOD, "a") + END,
        LORA + part("timestamps", b"perhaps") + part("file", GOOD, "a") + END,
        LORA + part("vote", b"__class__") + part("file", GOOD, "a") + END,
        LORA + part("file", b"text instead of a file") + END,
        LORA + part("unknown", b"x") + part("file", GOOD, "a") + END,
        b"--b\r\nContent-Disposition: form-data\r\n\r\nx\r\n" + END,
        b"--b\r\nno colon\r\n\r\nx\r\n" + END,
    ],
    ids=range(21),
)
def test_bad_forms(client: TestClient, body: bytes) -> None:
    refused(client.post("/v1/predict", content=body, headers=FORM))


@pytest.mark.parametrize(
    "name", ["../../etc/passwd", "a\u202eb.wav", "a" * 1_000, "\N{GRINNING FACE}", "a%00b"]
)
def test_names_of_files_are_only_shown(client: TestClient, name: str) -> None:
    body = LORA + part("file", GOOD, name) + END
    response = client.post("/v1/predict", content=body, headers=FORM)
    assert response.status_code == 200
    assert isinstance(response.json()["answers"][0]["file"], str)


@pytest.mark.parametrize("name", [b"\xff\xfe.wav", b"a" * 10_000])
def test_a_name_of_a_file_that_is_no_name(client: TestClient, name: bytes) -> None:
    body = LORA + part("file", GOOD, "NAME").replace(b"NAME", name) + END
    response = client.post("/v1/predict", content=body, headers=FORM)
    assert response.status_code == 200 or refused(response)


@pytest.mark.parametrize("kind", ["multipart/form-data", "multipart/form-data; boundary=", "x", ""])
def test_bad_content_types(client: TestClient, kind: str) -> None:
    refused(client.post("/v1/predict", content=LORA + END, headers={"content-type": kind}))


def _json(**body: Any) -> bytes:
    return json.dumps({"adapters": ["lora"], **body}).encode()


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b"{",
        b"\xff\xfe",
        b'{"audio": "\\ud800"}',
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b"1" * 100_000,
        b'{"audio": "' + b"[" * 100_000 + b'"}',
        _json(audio=17),
        _json(audio=None),
        _json(audio="not base64!"),
        _json(audio="AAA"),
        _json(audio="\N{GRINNING FACE}"),
        _json(audio=""),
        _json(audio="AAAA" * 1_000),
        _json(audio="AAAA", abstain=float("nan")),
        _json(audio="AAAA", abstain="high"),
        _json(audio="AAAA", adapters=["x"] * 5_000),
        _json(audio="AAAA", adapters="lora"),
        _json(audio="AAAA", adapters=[{"__class__": 1}]),
        _json(audio="AAAA", unknown=1),
        _json(audio="AAAA", prompt="x" * 100_000),
    ],
    ids=range(24),
)
def test_bad_json(client: TestClient, body: bytes) -> None:
    for path in ("/v1/predict", "/v1/embeddings", "/v1/verify", "/v1/adapters"):
        refused(client.post(path, content=body, headers=JSON))


@pytest.mark.parametrize("name", NAMES)
def test_names_lead_nowhere(client: TestClient, name: str, root: Path) -> None:
    before = sorted(root.rglob("*"))
    refused(client.post(f"/v1/predict?adapter={name}", content=GOOD, headers=RAW))
    for path in ("/v1/adapters/", "/examples/", "/page/", "/v1/models/"):
        response = client.get(path + name)
        assert response.status_code < 500
        assert "root:" not in response.text
        assert "set-cookie" not in response.headers
    refused(client.delete(f"/v1/adapters/{name}"))
    for wanted in ({"folder": name}, {"folder": "lora", "name": name}):
        refused(client.post("/v1/adapters", json=wanted))
    assert sorted(root.rglob("*")) == before


@pytest.mark.parametrize("method", ["HEAD", "OPTIONS", "PUT", "PATCH", "DELETE", "TRACE", "BREW"])
def test_other_methods(client: TestClient, method: str) -> None:
    for path in ("/", "/v1/predict", "/v1/adapters", "/healthz", "/metrics", "/examples"):
        response = client.request(method, path)
        assert response.status_code < 500
        assert not any("access-control" in header for header in response.headers)


def test_unusual_recordings_are_answered(client: TestClient) -> None:
    for rate, channels, format in ((192_000, 8, "WAV"), (8_000, 1, "FLAC"), (48_000, 2, "OGG")):
        audio = encoded(tone(rate=rate, channels=channels), rate, format)
        response = client.post("/v1/predict?adapter=lora", content=audio, headers=RAW)
        assert response.status_code == 200, response.text


def test_memory_comes_back_after_large_requests(client: TestClient, engine: Engine) -> None:
    noise = np.random.default_rng(0).bytes(30_000_000)

    def total() -> int:
        own = psutil.Process()
        return sum(one.memory_info().rss for one in (own, *own.children(recursive=True)))

    def ask(times: int) -> None:
        for _ in range(times):
            refused(client.post("/v1/predict?adapter=lora", content=noise, headers=RAW))
            refused(client.post("/v1/predict?adapter=lora", content=noise * 2, headers=RAW))

    ask(4)
    before = total()
    ask(8)  # of 720 MB
    assert total() - before < 70e6
    assert len(engine.decoder.pids) == engine.settings.decoders
