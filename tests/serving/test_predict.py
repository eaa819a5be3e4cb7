"""`POST /v1/predict` answers as `Trained.predict` does, however the recording is sent."""

import base64
import re
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient

from ossicle.serving.app import create_app
from ossicle.serving.engine import Engine
from ossicle.serving.settings import ServeSettings
from ossicle.tasks import TASKS
from ossicle.training.combine import make_ensemble
from served import WHISPER, adapter, wav

pytestmark = pytest.mark.thorough
Alone = Callable[..., dict[str, Any]]


def equal(found: Any, expected: Any) -> bool:
    """Return whether answers are equal, numbers within 1e-5."""
    if isinstance(expected, dict):
        same = found.keys() == expected.keys()
        return same and all(equal(found[key], expected[key]) for key in expected)
    if isinstance(expected, list | tuple):
        return len(found) == len(expected) and all(map(equal, found, expected))
    if isinstance(expected, float):
        return bool(np.isclose(found, expected, rtol=1e-5, atol=1e-5))
    return bool(found == expected)


def without(answer: dict[str, Any], *keys: str) -> dict[str, Any]:
    return {key: value for key, value in answer.items() if key not in ("file", "adapter", *keys)}


def sent(client: TestClient, audio: bytes, **fields: Any) -> Any:
    return client.post("/v1/predict", files={"file": ("a.wav", audio)}, data=fields)


def test_upload_raw_body_and_base64_give_the_answer_of_the_library(
    client: TestClient, alone: Alone, root: Path
) -> None:
    audio = wav(0.3)
    expected = alone(root / "lora", audio)
    upload = sent(client, audio, adapter="lora").json()
    raw = client.post(
        "/v1/predict?adapter=lora", content=audio, headers={"content-type": "audio/wav"}
    ).json()
    body = {"audio": base64.b64encode(audio).decode(), "adapters": ["lora"]}
    coded = client.post("/v1/predict", json=body).json()
    for found, file in ((upload, "a.wav"), (raw, None), (coded, None)):
        (answer,) = found["answers"]
        assert (answer["adapter"], answer["file"]) == ("lora", file)
        assert equal(without(answer), expected)
        assert found["duration_s"] == pytest.approx(0.3)
        assert found["ms"].keys() == {"decode", "queue", "model", "total"}
    assert not equal(without(upload["answers"][0]), alone(root / "other", audio))


def test_several_adapters_answer_in_the_order_in_which_they_are_named(
    client: TestClient, alone: Alone, root: Path
) -> None:
    audio = wav(1.3, seed=1)  # three windows
    found = sent(client, audio, adapter=["wide", "lora", "other"]).json()["answers"]
    assert [one["adapter"] for one in found] == ["wide", "lora", "other"]
    for one in found:
        assert equal(without(one), alone(root / one["adapter"], audio))


def test_a_vote_answers_as_the_ensemble_of_the_command_does(
    client: TestClient, alone: Alone, root: Path, tmp_path: Path
) -> None:
    audio, names = wav(0.8, seed=2), ["lora", "other", "wide"]
    for vote in ("soft", "majority"):
        made = make_ensemble([root / name for name in names], tmp_path / vote, vote=vote)
        expected = alone(made.path, audio)
        *single, together = sent(client, audio, adapter=names, vote=vote).json()["answers"]
        assert together["adapter"] == "ensemble"
        assert equal(without(together, "members"), expected)
        assert together["members"] == {one["adapter"]: one["label"] for one in single}
        engine = Engine(ServeSettings(device="cpu"))
        engine.open({vote: made.path})
        (answer,) = sent(TestClient(create_app(engine)), audio).json()["answers"]
        assert equal(without(answer, "members"), expected)
        engine.close()


def test_an_answer_that_is_not_sure_has_no_label(
    client: TestClient, alone: Alone, root: Path
) -> None:
    audio = wav(0.3)
    sure = alone(root / "lora", audio, abstain=0.0)
    (answer,) = sent(client, audio, adapter="lora", abstain=1.0).json()["answers"]
    assert answer["label"] is None
    assert answer["confidence"] == pytest.approx(sure["confidence"], abs=1e-5)
    (answer,) = sent(client, audio, adapter="lora", abstain=0.0).json()["answers"]
    assert equal(without(answer), sure)


@pytest.fixture(scope="module")
def tasks(tmp_path_factory: pytest.TempPathFactory, backbone: str) -> Iterator[Any]:
    """A client of a server with an adapter of each task, on two backbones, and their folders."""
    place, folders = tmp_path_factory.mktemp("tasks"), {}
    for name, kind in TASKS.items():
        base, recipe = (WHISPER, "lora@dec.attn.q") if kind.needs_decoder else (backbone, "lora")
        if name in ("translation", "answering"):
            continue  # as seq2seq
        folders[name] = adapter(place / name, base, recipe, task=name, max_seconds=1.0)
    engine = Engine(ServeSettings(device="cpu"))
    engine.open(folders)
    yield TestClient(create_app(engine), raise_server_exceptions=False), folders
    engine.close()


@pytest.mark.parametrize("seconds", [0.4, 2.5])
def test_every_task_is_served_as_it_is_predicted(tasks: Any, alone: Alone, seconds: float) -> None:
    client, folders = tasks
    audio = wav(seconds)
    for name, folder in folders.items():
        expected, found = alone(folder, audio), sent(client, audio, adapter=name)
        if "error" in expected:  # windows of frames are not joined
            assert (found.status_code, found.json()["error"]["type"]) == (413, "too_long"), name
        else:
            assert equal(without(found.json()["answers"][0]), expected), name
    assert {name for name in folders if TASKS[name].by_frame}  # some cannot be joined


def test_a_recording_just_too_long_is_not_said_to_be_as_long_as_it_may_be(tasks: Any) -> None:
    found = sent(tasks[0], wav(1.01), adapter="events")
    assert found.status_code == 413
    assert (
        "is 1.1 s long, and adapter 'events' takes at most 1 s" in found.json()["error"]["message"]
    )


def test_a_text_has_times_and_a_prompt_if_asked(tasks: Any, alone: Alone) -> None:
    client, folders = tasks
    audio = wav(0.6)
    (found,) = sent(client, audio, adapter="seq2seq", timestamps=True).json()["answers"]
    assert equal(without(found), alone(folders["seq2seq"], audio, times=True))
    assert "segments" in found
    (found,) = sent(client, audio, adapter="seq2seq", prompt="ab").json()["answers"]
    assert equal(without(found), alone(folders["seq2seq"], audio, prompt="ab"))


@pytest.mark.exhaustive
def test_an_ensemble_of_texts_takes_no_longer_recordings(tmp_path: Path) -> None:
    folders = {
        name: adapter(tmp_path / name, WHISPER, recipe, task="seq2seq", seed=seed, max_seconds=1.0)
        for seed, (name, recipe) in enumerate({"a": "lora@dec.attn.q", "b": "lora"}.items())
    }
    engine = Engine(ServeSettings(device="cpu"))
    engine.open(folders)
    client, both = TestClient(create_app(engine)), {"adapter": ["a", "b"], "vote": "soft"}
    assert sent(client, wav(0.8), **both).status_code == 200
    found = sent(client, wav(1.8), **both)
    assert (found.status_code, found.json()["error"]["type"]) == (413, "too_long")
    assert sent(client, wav(1.8), adapter="a").status_code == 200
    engine.close()


REFUSED = [
    ({"adapter": "loar"}, 404, "not_found", "no adapter 'loar'.*Did you mean 'lora'"),
    ({}, 422, "no_adapter", "names no adapter.*lora, other, wide"),
    ({"adapter": ["lora", "lora"]}, 422, "invalid", "named twice"),
    ({"adapter": "lora", "abstain": "2"}, 422, "invalid", "abstain.*less than or equal to 1"),
    ({"adapter": "lora", "abstain": "nan"}, 422, "invalid", "abstain"),
    ({"adapter": "lora", "prompt": "x"}, 422, "invalid", "writes no text"),
    ({"adapter": "lora", "timestamps": "1"}, 422, "invalid", "'lora'.*no times.*`timestamps`"),
    ({"adapter": "lora", "vote": "soft"}, 422, "invalid", "two or more adapters"),
    ({"adapter": ["lora", "wide"], "vote": "sotf"}, 422, "invalid", "Did you mean 'soft'"),
    ({"adapter": ["lora", "wide"], "vote": "stacked"}, 422, "invalid", "ossicle ensemble"),
    ({"adapter": "lora", "speed": "2"}, 422, "invalid", "speed"),
]


@pytest.mark.parametrize(("fields", "status", "kind", "message"), REFUSED)
def test_what_cannot_be_answered_is_refused_in_a_sentence(
    client: TestClient, fields: dict[str, Any], status: int, kind: str, message: str
) -> None:
    found = sent(client, wav(0.3), **fields)
    error = found.json()["error"]
    assert (found.status_code, error["type"]) == (status, kind)
    assert re.search(message, error["message"])


@pytest.mark.parametrize(
    ("audio", "message"),
    [
        (b"", "empty"),
        (b"not a sound", "cannot be decoded"),
        (wav(0.001), "1 ms long, and adapter 'lora' needs"),
        (wav(0.3)[:2000], "truncated"),
        (wav(0), "no samples"),
    ],
)
def test_a_bad_recording_is_refused_in_a_sentence(
    client: TestClient, audio: bytes, message: str
) -> None:
    found = sent(client, audio, adapter="lora")
    assert (found.status_code, found.json()["error"]["type"]) == (422, "bad_audio")
    assert message in found.json()["error"]["message"]


def test_an_upload_is_not_written_to_a_file(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    rolled: list[object] = []
    monkeypatch.setattr(tempfile.SpooledTemporaryFile, "rollover", rolled.append)
    assert sent(client, wav(40), adapter="lora").status_code == 200  # more than a MB
    assert not rolled


def test_requests_of_other_forms_are_refused(client: TestClient) -> None:
    found = client.post("/v1/predict", content=b"x", headers={"content-type": "text/html"})
    assert found.status_code == 415
    assert client.post("/v1/predict", data={"adapter": "lora"}).status_code == 415
    assert client.post("/v1/predict", json={"audio": "?"}).json()["error"]["type"] == "bad_audio"
    assert client.post("/v1/predict", json=[1]).status_code == 422
    form = {"content-type": "multipart/form-data; boundary=x"}
    for kind, body in ((form, b"not a form"), ({"content-type": "multipart/form-data"}, b"--x")):
        found = client.post("/v1/predict", content=body, headers=kind)
        assert (found.status_code, found.json()["error"]["type"]) == (400, "bad_request")
    assert client.get("/v1/predict").status_code == 405
    assert client.get("/v2").json()["error"]["type"] == "not_found"
