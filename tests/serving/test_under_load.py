"""Each answer is that of its adapter alone, while others are asked for, come and go."""

import random
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import torch
from fastapi.testclient import TestClient
from test_predict import equal, sent, without

from ossicle.serving.app import create_app
from ossicle.serving.batcher import Batcher
from ossicle.serving.engine import Engine
from ossicle.serving.refusal import Refusal
from ossicle.serving.settings import ServeSettings
from ossicle.writing import Text
from served import adapter, wav

pytestmark = pytest.mark.thorough
Alone = Callable[..., dict[str, Any]]
SECONDS = (0.1, 0.3, 0.9)


@pytest.fixture(scope="module")
def folders(root: Path) -> dict[str, Path]:
    """Runs of all methods, the one that changes the backbone too."""
    names = ("lora", "other", "wide", "prompt", "sum", "linear")
    return {name: root / name for name in names} | {"full": root / "team" / "full"}


@pytest.fixture(scope="module")
def expected(folders: dict[str, Path], alone: Alone) -> dict[tuple[str, float], dict[str, Any]]:
    return {
        (name, seconds): alone(folder, wav(seconds))
        for name, folder in folders.items()
        for seconds in SECONDS
    }


def ask_many(client: TestClient, names: list[str], expected: Any, count: int, seed: int) -> int:
    """Ask for random adapters and recordings; compare each answer; return how many there were."""
    rng = random.Random(seed)
    for _ in range(count):
        seconds, chosen = rng.choice(SECONDS), rng.sample(names, rng.choice((1, 1, 2, 3)))
        found = sent(client, wav(seconds), adapter=chosen)
        assert found.status_code == 200, found.text
        for answer in found.json()["answers"]:
            assert equal(without(answer), expected[answer["adapter"], seconds])
    return count


@pytest.mark.parametrize("max_resident", [3, pytest.param(256, marks=pytest.mark.exhaustive)])
def test_mixed_methods_from_many_threads(
    folders: dict[str, Path], expected: Any, max_resident: int
) -> None:
    engine = Engine(ServeSettings(device="cpu", max_rows=8, max_resident=max_resident))
    engine.open(folders)
    client, names = TestClient(create_app(engine)), list(folders)
    sizes = watched(engine)
    with ThreadPoolExecutor(8) as pool:
        done = [pool.submit(ask_many, client, names, expected, 8, seed) for seed in range(8)]
        assert sum(one.result() for one in done) == 64
    assert max(sizes) > 1  # requests did share batches
    assert max(sizes) <= 8
    shared = next(host for host in engine.hosts.all() if host.residents.most > 1)
    assert len(shared.residents) <= max_resident
    engine.close()


def watched(engine: Engine) -> list[int]:
    """Return a list to which the size of every batch is added."""
    sizes: list[int] = []
    for host in engine.hosts.all():
        host.batcher._observe = lambda batch: sizes.append(sum(len(one.names) for one in batch))
    return sizes


def test_adapters_come_and_go_under_load(
    root: Path, folders: dict[str, Path], expected: Any
) -> None:
    engine = Engine(ServeSettings(device="cpu", max_rows=8, root=root, allow_loading=True))
    engine.open({name: folders[name] for name in ("lora", "wide", "linear")})
    client = TestClient(create_app(engine))
    stop = threading.Event()

    def come_and_go(name: str, turns: int) -> None:
        for turn in range(turns):
            made = client.post("/v1/adapters", json={"folder": name, "name": f"{name}-{turn}"})
            assert made.status_code == 201, made.text
            seconds = SECONDS[turn % len(SECONDS)]
            (answer,) = sent(client, wav(seconds), adapter=f"{name}-{turn}").json()["answers"]
            assert equal(without(answer), expected[Path(name).name, seconds])
            assert client.delete(f"/v1/adapters/{name}-{turn}").status_code == 204

    def ask_on(seed: int) -> int:
        count = 0
        while not stop.is_set():
            count += ask_many(client, ["lora", "wide", "linear"], expected, 1, seed + count)
        return count

    with ThreadPoolExecutor(6) as pool:
        asking = [pool.submit(ask_on, 1000 * seed) for seed in range(3)]
        coming = [pool.submit(come_and_go, *one) for one in (("other", 8), ("prompt", 8))]
        coming.append(pool.submit(come_and_go, "team/full", 3))
        try:
            for one in coming:
                one.result()
        finally:
            stop.set()
        assert all(one.result() > 0 for one in asking)
    assert [entry.name for entry in engine.catalogue.entries()] == ["lora", "wide", "linear"]
    (host,) = engine.hosts.all()  # the backbones of `full` have left
    assert len(host.residents) == 3
    assert sorted(host._bank.names) == sorted(p.key for p in host.residents._places.values())
    engine.close()


def test_a_request_that_has_begun_is_answered_by_the_adapter_that_is_removed(
    folders: dict[str, Path], expected: Any
) -> None:
    engine = Engine(ServeSettings(device="cpu"))
    engine.open({name: folders[name] for name in ("lora", "wide")})
    (host,) = engine.hosts.all()
    client, held, begun = TestClient(create_app(engine)), threading.Event(), threading.Event()

    def wait() -> None:
        begun.set()
        held.wait()

    with ThreadPoolExecutor(2) as pool:
        pool.submit(host.batcher.call, wait)  # the model is busy
        begun.wait()
        found = pool.submit(sent, client, wav(0.3), adapter="lora")
        while not len(host.batcher):
            pass
        engine.remove("lora")
        held.set()
        (answer,) = found.result().json()["answers"]
    assert equal(without(answer), expected["lora", 0.3])
    assert sent(client, wav(0.3), adapter="lora").status_code == 404
    assert len(host.residents) == 1
    engine.close()


def failing(text: str) -> Callable[..., list[torch.Tensor]]:
    """Return a model that fails for a batch with rows of a text."""

    def run(rows: Any, requests: Any, texts: Any) -> list[torch.Tensor]:
        if any(one.prompt == text for one in texts):
            raise ValueError("no such row")
        return [rows[one.row][0] for one in requests]

    return run


def test_a_row_that_fails_takes_no_other_with_it() -> None:
    sizes: list[int] = []
    batcher = Batcher(
        "test",
        failing("bad"),
        max_rows=8,
        max_wait_s=0.5,
        observe=lambda batch: sizes.append(len(batch)),
    )
    rows = [(torch.full((10,), float(number)), 10) for number in range(4)]
    asked = [
        batcher.submit(row, ["a"], Text(prompt="bad" if number == 2 else ""))
        for number, row in enumerate(rows)
    ]
    for number in (0, 1, 3):
        assert asked[number].found.result(5)[0].tolist() == [float(number)] * 10
    with pytest.raises(ValueError, match="no such row"):
        asked[2].found.result(5)
    assert sizes == [1, 1, 1]  # each by itself, after all together
    batcher.close()
    with pytest.raises(Refusal):
        batcher.submit(rows[0], ["a"], Text())


def test_rows_of_about_the_same_length_share_a_batch() -> None:
    batches: list[list[int]] = []
    batcher = Batcher(
        "test",
        failing("bad"),
        max_rows=3,
        max_wait_s=0.05,
        observe=lambda batch: batches.append([one.row[1] for one in batch]),
    )
    held = threading.Event()
    waiting = threading.Thread(target=batcher.call, args=(held.wait,))
    waiting.start()
    lengths = (100, 1000, 140, 110, 900, 95, 300)
    asked = [batcher.submit((torch.zeros(n), n), ["a"], Text()) for n in lengths]
    held.set()
    for one in asked:
        one.found.result(5)
    assert batches == [[100, 95, 110], [1000, 900], [140], [300]]
    waiting.join()
    batcher.close()


def test_an_adapter_that_cannot_be_loaded_fails_alone(
    tmp_path: Path, backbone: str, folders: dict[str, Path], expected: Any
) -> None:
    mine = adapter(tmp_path / "mine", backbone, seed=5)
    engine = Engine(ServeSettings(device="cpu", max_resident=1))
    engine.open({"mine": mine, "lora": folders["lora"]})
    client = TestClient(create_app(engine))
    adapter(mine, backbone, seed=6)  # trained again, after it has left the model
    found = sent(client, wav(0.3), adapter="mine")
    assert (found.status_code, found.json()["error"]["type"]) == (409, "changed")
    (mine / "adapter.safetensors").unlink()
    assert sent(client, wav(0.3), adapter="mine").status_code == 409
    (answer,) = sent(client, wav(0.3), adapter="lora").json()["answers"]
    assert equal(without(answer), expected["lora", 0.3])
    engine.close()


def test_the_frozen_part_runs_once_for_all_adapters_that_hear_a_recording(
    folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = Engine(ServeSettings(device="cpu"))
    engine.open({name: folders[name] for name in ("lora", "other", "wide", "sum", "linear")})
    (host,) = engine.hosts.all()
    convolved: list[int] = []
    features = host.backbone.family.features
    monkeypatch.setattr(
        type(host.backbone.family),
        "features",
        lambda _, model, values, *more: (
            convolved.append(len(values)) or features(model, values, *more)
        ),
    )
    found = sent(TestClient(create_app(engine)), wav(0.3), adapter=list(folders)[:3])
    assert len(found.json()["answers"]) == 3
    assert convolved == [1]
    engine.close()


def test_more_adapters_than_have_places_answer_one_request(
    folders: dict[str, Path], expected: Any
) -> None:
    engine = Engine(ServeSettings(device="cpu", max_resident=2))
    names = ["lora", "other", "wide", "sum", "linear"]
    engine.open({name: folders[name] for name in names})
    answers = sent(TestClient(create_app(engine)), wav(0.3), adapter=names).json()["answers"]
    assert all(equal(without(one), expected[one["adapter"], 0.3]) for one in answers)
    assert len(answers) == 5
    engine.close()
