"""Which files of a cache folder belong to ossicle, and how damaged ones are handled."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from ossicle.frozen.cache import StateCache, all_entries, clear, digest, stores

STATES = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
KEY = digest("a recording", 0, 100)


@pytest.fixture
def store(tmp_path: Path) -> StateCache:
    made = opened(tmp_path)
    made.put(KEY, STATES, 17)
    return made


def opened(cache: Path, limit: int = 10**9) -> StateCache:
    return StateCache(cache, limit, {"layer": 1}, {"backbone": "tiny"})


def entry_of(store: StateCache) -> Path:
    return store.folder / KEY[:2] / f"{KEY}.safetensors"


def write_strangers(cache: Path, store: StateCache) -> list[Path]:
    """Write files next to and among the entries that do not belong to ossicle."""
    looks_like_a_store = cache / "mine" / "store.json"
    looks_like_a_store.parent.mkdir()
    looks_like_a_store.write_text('{"format": "ossicle cache 1", "about": {}, "facts": {}}')
    model = cache / "mine" / "ab" / f"{digest('mine')}.safetensors"
    model.parent.mkdir()
    save_file({"states": STATES}, model)
    other_store = cache / digest("x") / "store.json"  # named as a store, of any content
    other_store.parent.mkdir()
    other_store.write_text("{}")
    kept = (store.folder / KEY[:2] / "notes.txt", store.folder / "ab" / f"{KEY}.safetensors")
    kept[0].write_text("keep")
    kept[1].parent.mkdir(exist_ok=True)
    save_file({"weight": STATES}, kept[1])
    part = store.folder / KEY[:2] / ".mine.part"
    part.write_text("keep")
    for file in (model, other_store, looks_like_a_store, *kept, part):
        os.utime(file, (1, 1))  # the oldest of all
    return [looks_like_a_store, model, other_store, *kept, part]


def test_clear_removes_what_ossicle_wrote_and_folders_that_are_then_empty(tmp_path, store):
    killed = entry_of(store).with_name(f".{digest('killed')}.part")
    killed.write_bytes(b"half")
    ((facts, found),) = stores(tmp_path)
    assert facts == {"backbone": "tiny", "layer": 1}
    assert {entry.file for entry in found} == {entry_of(store), killed}
    size = entry_of(store).stat().st_size
    assert size > STATES.nbytes
    assert clear(tmp_path) == (size + 4, 0)
    assert not list(tmp_path.iterdir())
    assert clear(tmp_path) == (0, 0)


def test_clear_leaves_what_is_not_ossicles(tmp_path, store):
    strangers = write_strangers(tmp_path, store)
    contents = [file.read_bytes() for file in strangers]
    size = entry_of(store).stat().st_size
    assert clear(tmp_path) == (size, 1)
    assert [file.read_bytes() for file in strangers] == contents
    assert not entry_of(store).exists()
    assert not (store.folder / "store.json").exists()
    assert clear(tmp_path) == (0, 0)


def test_making_room_leaves_what_is_not_ossicles(tmp_path, store):
    size = entry_of(store).stat().st_size
    strangers = write_strangers(tmp_path, store)
    contents = [file.read_bytes() for file in strangers]
    small = opened(tmp_path, limit=4 * size)
    for number in range(20):
        small.put(digest(number), STATES, 1)
    assert [file.read_bytes() for file in strangers] == contents
    assert sum(entry.size for entry in all_entries(tmp_path)) <= 4 * size
    assert not entry_of(store).exists()


def test_a_store_whose_description_is_torn_is_not_a_store_until_it_is_opened_again(tmp_path, store):
    description = store.folder / "store.json"
    whole = description.read_text()
    for text in (whole[:9], "[" * 50_000, "[]", whole.replace("1", "2"), '{"facts": ' + "9" * 5000):
        description.write_text(text)
        assert not list(stores(tmp_path))
        assert clear(tmp_path) == (0, 0)
    assert opened(tmp_path).get(KEY) is not None
    assert len(list(stores(tmp_path))) == 1
    assert json.loads(description.read_text())["facts"] == {"layer": 1}


def test_a_link_or_a_pipe_that_is_named_as_an_entry_is_left(tmp_path, store):
    file = entry_of(store)
    aside = tmp_path / "aside"
    file.rename(aside)
    file.symlink_to(aside)
    pipe = store.folder / digest("pipe")[:2] / f"{digest('pipe')}.safetensors"
    pipe.parent.mkdir()
    os.mkfifo(pipe)  # reading it would block
    assert clear(tmp_path) == (0, 1)
    assert aside.exists()
    assert store.get(digest("pipe")) is None


def test_every_flipped_bit_of_an_entry_makes_it_absent(store):
    file = entry_of(store)
    content = file.read_bytes()
    chance = np.random.default_rng(0)
    for place in [*range(8), *chance.integers(8, len(content), 300).tolist()]:
        damaged = bytearray(content)
        damaged[place] ^= 1 << int(chance.integers(8))
        file.write_bytes(damaged)
        assert store.get(KEY) is None, f"byte {place}"
        assert not file.exists()
    assert store.damaged == 308
    file.write_bytes(content)
    states, length = store.get(KEY)
    assert length == 17
    np.testing.assert_array_equal(states, STATES)


@pytest.mark.parametrize("size", [0, 4, 8, 100, -1])
def test_a_truncated_entry_is_absent(store, size):
    file = entry_of(store)
    file.write_bytes(file.read_bytes()[:size])
    assert store.get(KEY) is None
    assert store.damaged == 1


def test_an_entry_under_the_name_of_another_is_absent(tmp_path, store):
    other = digest("another recording", 0, 100)
    moved = store.folder / other[:2] / f"{other}.safetensors"
    moved.parent.mkdir(exist_ok=True)
    moved.write_bytes(entry_of(store).read_bytes())
    assert store.get(other) is None
    second = StateCache(tmp_path, 10**9, {"layer": 2}, {})
    (second.folder / KEY[:2]).mkdir()
    (second.folder / KEY[:2] / f"{KEY}.safetensors").write_bytes(entry_of(store).read_bytes())
    assert second.get(KEY) is None
