"""`/v1/adapters`: what is listed, loaded and removed, and that nothing leads out of the root."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from ossicle.errors import BackboneError
from ossicle.serving.app import create_app
from ossicle.serving.engine import Engine
from ossicle.serving.settings import ServeSettings
from ossicle.training.combine import make_ensemble
from served import WHISPER, adapter, wav
from tones import write_backbone

pytestmark = pytest.mark.thorough


@pytest.fixture
def place(root: Path, tmp_path: Path) -> Path:
    """A root with a run and a run elsewhere beside it."""
    shutil.copytree(root / "lora", tmp_path / "root" / "team" / "lora")
    shutil.copytree(root / "other", tmp_path / "elsewhere")
    return tmp_path / "root"


@pytest.fixture
def loading(place: Path, root: Path) -> Iterator[TestClient]:
    """A client of a server that loads adapters below `place`."""
    settings = ServeSettings(
        device="cpu", root=place, allow_loading=True, max_adapters=3, max_backbones=2
    )
    engine = Engine(settings)
    engine.open({"first": root / "wide"})
    yield TestClient(create_app(engine), raise_server_exceptions=False)
    engine.close()


def load(client: TestClient, folder: str, **more: str) -> tuple[int, str]:
    found = client.post("/v1/adapters", json={"folder": folder, **more})
    return found.status_code, found.json().get("error", {}).get("type", "")


def test_adapters_are_listed_with_what_they_answer(client: TestClient, backbone: str) -> None:
    first, *_ = client.get("/v1/adapters").json()["adapters"]
    assert first == {
        "name": "lora",
        "task": "classification",
        "labels": ["no", "yes"],
        "recipe": "lora",
        "backbone": Path(backbone).name,  # not the folder that it is in
        "parameters": 2 * 2 * (8 * 64 + 64 * 8) + 2 * 64 + 2,  # q and v of 2 layers; the head
        "members": None,
        "resident": True,
    }


def test_an_adapter_is_loaded_and_removed(loading: TestClient) -> None:
    made = loading.post("/v1/adapters", json={"folder": "team/lora"})
    assert made.status_code == 201
    assert made.json()["name"] == "team/lora"
    assert made.json() in loading.get("/v1/adapters").json()["adapters"]
    assert load(loading, "team/lora") == (409, "name_taken")
    assert load(loading, "team/lora", name="again") == (201, "")
    assert load(loading, "team/lora", name="more") == (409, "too_many_adapters")
    assert loading.delete("/v1/adapters/team/lora").status_code == 204
    assert loading.delete("/v1/adapters/team%2Flora").status_code == 404
    found = loading.post(
        "/v1/predict?adapter=again", content=wav(0.3), headers={"content-type": "audio/wav"}
    )
    assert found.status_code == 200


def test_nothing_is_loaded_unless_it_is_allowed(client: TestClient) -> None:
    assert load(client, "team/full") == (403, "not_allowed")
    assert client.delete("/v1/adapters/lora").status_code == 403


OUTSIDE = ["../elsewhere", "/etc", "team/../../elsewhere", "link", "team/linked", "a\0b"]


@pytest.mark.parametrize("folder", OUTSIDE)
def test_nothing_leads_out_of_the_root(loading: TestClient, place: Path, folder: str) -> None:
    (place / "link").symlink_to(place.parent / "elsewhere")
    shutil.copytree(place / "team" / "lora", place / "team" / "linked")
    (place / "team" / "linked" / "adapter.safetensors").unlink()
    linked = place / "team" / "linked" / "adapter.safetensors"
    linked.symlink_to(place.parent / "elsewhere" / "adapter.safetensors")
    assert load(loading, folder) == (403, "outside_root")


def test_an_ensemble_that_names_folders_elsewhere_is_refused(
    loading: TestClient, place: Path
) -> None:
    runs = [place / "team" / "lora", place.parent / "elsewhere"]
    make_ensemble(runs, place / "linked", link=True)
    assert load(loading, "linked") == (403, "outside_root")
    make_ensemble(runs, place / "copied")
    assert load(loading, "copied") == (201, "")


def test_a_link_within_the_root_is_followed(loading: TestClient, place: Path) -> None:
    (place / "link").symlink_to(place / "team" / "lora")
    assert load(loading, "link") == (201, "")


def test_folders_that_cannot_be_served_are_refused_and_nothing_stays(
    loading: TestClient, place: Path, backbone: str
) -> None:
    (place / "empty").mkdir()
    assert load(loading, "empty") == (422, "bad_adapter")
    assert load(loading, "nowhere") == (422, "bad_adapter")
    assert load(loading, ".") == (422, "bad_adapter")
    file = place / "team" / "lora" / "adapter.safetensors"
    file.write_bytes(file.read_bytes()[:-4])
    assert load(loading, "team/lora") == (422, "bad_adapter")
    adapter(place / "whisper", WHISPER, "lora@dec.attn.q", task="seq2seq", max_seconds=1.0)
    assert load(loading, "whisper") == (422, "other_backbone")
    for name in ("one", "two"):
        adapter(place / name, backbone, "full")
    assert load(loading, "one") == (201, "")
    assert load(loading, "two") == (409, "too_many_backbones")
    assert loading.delete("/v1/adapters/one").status_code == 204
    assert load(loading, "two") == (201, "")
    names = [one["name"] for one in loading.get("/v1/adapters").json()["adapters"]]
    assert names == ["first", "two"]


@pytest.mark.parametrize("body", [{}, {"folder": ""}, {"folder": "x", "path": "y"}, [], "x"])
def test_a_wrong_body_is_refused(loading: TestClient, body: object) -> None:
    found = loading.post("/v1/adapters", json=body)
    assert found.status_code == 422
    assert found.json()["error"].keys() == {"message", "type"}


def test_a_backbone_that_has_moved_is_loaded_from_the_given_folder(
    tmp_path: Path, alone: Callable[..., dict[str, Any]], caplog: pytest.LogCaptureFixture
) -> None:
    folder, there = tmp_path / "here", tmp_path / "there"
    write_backbone(folder)
    run = adapter(tmp_path / "run", str(folder), "lora")
    other = adapter(tmp_path / "other", WHISPER, "lora", max_seconds=1.0)
    body = wav(0.5)
    expected = alone(run, body)
    folder.rename(there)
    with (
        closing(Engine(ServeSettings(device="cpu"))) as engine,
        pytest.raises(BackboneError, match="here"),
    ):
        engine.open({"run": run})
    with closing(Engine(ServeSettings(device="cpu", backbone=str(there)))) as engine:
        engine.open({"run": run}, {"other": other})
        client = TestClient(create_app(engine))
        found = client.post("/v1/predict", content=body, headers={"Content-Type": "audio/wav"})
        assert len(engine.hosts.all()) == 1  # the backbone that `other` does not fit was not kept
    assert found.json()["answers"][0]["probs"] == pytest.approx(expected["probs"], abs=1e-5)
    assert "'other' is left out" in caplog.text
    assert "was trained on whisper" in caplog.text
