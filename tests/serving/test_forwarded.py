"""A request that another process answers names its adapter, and gets the same answer there."""

import asyncio
import json

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from starlette.requests import Request

from ossicle.cli.serve import check_engine
from ossicle.errors import RunError, ServeError
from ossicle.serving.app import create_app
from ossicle.serving.engine import Engine
from ossicle.serving.forwarded import Forwarded
from served import wav

pytestmark = pytest.mark.thorough


def forwarded(client: TestClient, **request: object) -> Forwarded:
    """Return a request as the ingress would carry it."""
    built = client.build_request("POST", "/v1/predict", **request)  # type: ignore[arg-type]
    headers = tuple((name.lower(), value) for name, value in built.headers.raw)
    return Forwarded("POST", "/v1/predict", built.url.query, headers, built.read())


@pytest.mark.parametrize(
    "request_",
    [
        {"params": {"adapter": "lora"}, "content": b"x", "headers": {"Content-Type": "audio/wav"}},
        {"json": {"audio": "", "adapters": ["lora", "other"]}},
        {"json": {"audio": "", "model": "lora"}},
        {"data": {"adapter": ["lora", "other"]}, "files": {"file": b"x"}},
        {"data": {"model": "lora"}, "files": {"file": b"x"}},
    ],
)
def test_the_first_adapter_is_found_in_every_kind_of_request(
    client: TestClient, request_: dict[str, object]
) -> None:
    assert asyncio.run(forwarded(client, **request_).adapter()) == "lora"


@pytest.mark.parametrize(
    "request_",
    [
        {"content": b"{not json", "headers": {"Content-Type": "application/json"}},
        {"content": b"[1]", "headers": {"Content-Type": "application/json"}},
        {"content": b"x", "headers": {"Content-Type": "multipart/form-data"}},
        {"json": {"adapters": [3]}},
        {"data": {"adapter": ""}, "files": {"adapter": b"x"}},
    ],
)
def test_a_request_that_names_none_is_carried_too(
    client: TestClient, request_: dict[str, object]
) -> None:
    assert asyncio.run(forwarded(client, **request_).adapter()) == ""


def test_a_carried_request_gets_the_answer_of_the_application(
    client: TestClient, engine: Engine
) -> None:
    asked = {"data": {"adapter": "lora"}, "files": {"file": wav(0.3)}}
    carried = forwarded(client, **asked)
    found = asyncio.run(carried.answered_by(create_app(engine)))
    direct = client.post("/v1/predict", **asked)  # type: ignore[arg-type]
    assert found.status == 200
    assert json.loads(found.body)["answers"] == direct.json()["answers"]
    missing = forwarded(client, json={"audio": "", "adapters": ["nope"]})
    assert asyncio.run(missing.answered_by(create_app(engine))).status == 404


def test_an_application_that_fails_after_its_answer_has_answered() -> None:
    app = FastAPI()

    @app.post("/v1/predict")
    async def predict(request: Request) -> None:
        raise ValueError(await request.body())

    carried = Forwarded("POST", "/v1/predict", b"", (), b"x")
    assert asyncio.run(carried.answered_by(app)).status == 500


@pytest.mark.parametrize(
    ("engine", "address", "loading", "message"),
    [
        ("spark", None, False, "--engine is 'spark'; use local or ray"),
        ("local", "head:6379", False, "give --engine ray as well"),
        ("ray", "ray://head:10001", False, "an address of Ray Client"),
        ("ray", None, True, "--allow-loading is for one process"),
    ],
)
def test_options_that_do_not_go_together_are_refused(
    engine: str, address: str | None, loading: bool, message: str
) -> None:
    with pytest.raises((ServeError, RunError), match=message):
        check_engine(engine, address, allow_loading=loading)
