"""The cache on disk: contents, eviction, broken entries and full disks."""

import errno
import os
import threading
import uuid
from pathlib import Path

import numpy as np
import pytest

from ossicle.errors import RunError
from ossicle.frozen import cache as module
from ossicle.frozen.cache import (
    StateCache,
    all_entries,
    as_numbers,
    cache_folder,
    cache_limit,
    clear,
)

STATES = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
SIZE = 10**9


def name(text: str) -> str:
    """Return the name of an entry that begins with this text."""
    return text + "0" * (32 - len(text))


def opened(cache: Path, limit: int = SIZE, **facts: object) -> StateCache:
    return StateCache(cache, limit, facts, {"backbone": "tiny"})


@pytest.mark.parametrize("numbers", ["float32", "float16"])
def test_an_entry_comes_back_bit_for_bit_with_its_length(tmp_path, numbers):
    store = opened(tmp_path)
    assert store.get(name("ab12")) is None
    kept = as_numbers(STATES, numbers)
    store.put(name("ab12"), kept, 17)
    states, length = opened(tmp_path).get(name("ab12"))
    assert states.dtype == numbers
    np.testing.assert_array_equal(states, kept)
    assert length == 17


def test_stores_of_other_facts_do_not_see_each_other(tmp_path):
    opened(tmp_path, weights="a").put(name("ab12"), STATES, 1)
    assert opened(tmp_path, weights="b").get(name("ab12")) is None
    assert opened(tmp_path, weights="a").get(name("ab12")) is not None


def test_what_was_not_used_for_longest_goes_first(tmp_path):
    size = 0
    for number in range(10):
        opened(tmp_path, layer=number % 2).put(name(f"{number:04}"), STATES, 1)
    for number, entry in enumerate(sorted(all_entries(tmp_path), key=lambda one: one.file.name)):
        os.utime(entry.file, (1000 + number, 1000 + number))
        size = entry.size
    opened(tmp_path, layer=0).get(name("0000"))  # the oldest, and now the newest
    full = opened(tmp_path, limit=10 * size, layer=0)
    full.put(name("aa"), STATES, 1)
    left = sorted(entry.file.stem for entry in all_entries(tmp_path))
    assert left == [name(f"{number:04}") for number in (0, *range(3, 10))] + [name("aa")]


def test_the_cache_never_grows_beyond_its_limit(tmp_path):
    store = opened(tmp_path)
    store.put(name("0000"), STATES, 1)
    (size,) = (entry.size for entry in all_entries(tmp_path))
    store = opened(tmp_path, limit=5 * size)
    for number in range(30):
        store.put(name(f"{number:04}"), STATES, 1)
        assert sum(entry.size for entry in all_entries(tmp_path)) <= 5 * size


def test_threads_that_write_and_read_the_same_entries_find_whole_ones(tmp_path):
    big = np.random.default_rng(0).normal(size=(1, 500, 64)).astype(np.float32)
    faults: list[str] = []

    def work() -> None:
        store = opened(tmp_path)
        for number in range(60):
            store.put(name(f"{number % 3:04}"), big, 7)
            found = store.get(name(f"{number % 3:04}"))
            if found is None or not np.array_equal(found[0], big) or store.damaged:
                faults.append(f"entry {number}")

    workers = [threading.Thread(target=work) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert not faults
    assert not list(tmp_path.rglob("*.part"))


def test_a_full_disk_ends_the_writing_and_nothing_else(tmp_path, monkeypatch):
    store = opened(tmp_path)

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(module, "_write", full)
    store.put(name("ab12"), STATES, 1)
    file = store.folder / "ab" / f"{name('ab12')}.safetensors"
    assert store.fault == f"'{file}' cannot be written: No space left on device"
    store.put(name("cd34"), STATES, 1)
    assert store.get(name("ab12")) is None


def test_a_cache_that_is_cleared_meanwhile_is_filled_again(tmp_path):
    store = opened(tmp_path)
    store.put(name("ab12"), STATES, 1)
    clear(tmp_path)
    assert store.get(name("ab12")) is None
    store.put(name("ab12"), STATES, 1)
    assert store.fault is None
    assert store.get(name("ab12")) is not None
    assert len(list(all_entries(tmp_path))) == 1


def test_an_unreadable_entry_counts_as_absent(tmp_path, monkeypatch):
    store = opened(tmp_path)
    store.put(name("ab12"), STATES, 1)

    def refused(*_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(module, "check_tensors", refused)  # a superuser may read everything
    assert store.get(name("ab12")) is None
    assert store.damaged == 0


def test_others_may_read_an_entry_as_they_may_any_file_that_this_user_makes(tmp_path):
    plain = tmp_path / "plain"
    plain.write_text("")
    opened(tmp_path).put(name("ab12"), STATES, 1)
    (entry,) = all_entries(tmp_path)
    assert entry.file.stat().st_mode == plain.stat().st_mode


def test_the_limit_holds_for_what_several_processes_write(tmp_path):
    first = opened(tmp_path)
    first.put(name("0000"), STATES, 1)
    (size,) = (entry.size for entry in all_entries(tmp_path))
    limit = 100 * size
    two = [opened(tmp_path, limit=limit, process=number) for number in range(2)]
    for number in range(120):
        for store in two:
            store.put(name(f"{number:04}"), STATES, 1)
        assert sum(entry.size for entry in all_entries(tmp_path)) <= 1.1 * limit


def test_nothing_but_entries_makes_room(tmp_path):
    (tmp_path / "model").mkdir()
    mine = tmp_path / "model" / "model.safetensors"
    mine.write_bytes(bytes(10_000))
    os.utime(mine, (1, 1))
    store = opened(tmp_path, limit=1000)
    left = store.folder / "ab" / f".{uuid.uuid4().hex}.part"
    left.parent.mkdir()
    left.write_bytes(bytes(10_000))
    os.utime(left, (1, 1))
    for number in range(10):
        store.put(name(f"{number:04}"), STATES, 1)
    assert mine.exists()
    assert not left.exists()


def test_a_cache_folder_that_cannot_be_created_is_reported_with_a_fix(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match=r"cannot be written to: .*Name another folder in OSSICLE_C"):
        opened(tmp_path / "file")


def test_numbers_that_float16_cannot_hold_are_refused():
    with pytest.raises(RunError, match="reach 70000, too large for float16; use --ca"):
        as_numbers(np.array([[[70_000.0]]], dtype=np.float32), "float16")


def test_folder_and_limit_come_from_the_environment(monkeypatch):
    monkeypatch.setenv("OSSICLE_CACHE", "~/here")
    monkeypatch.setenv("OSSICLE_CACHE_GB", "1.5")
    assert (cache_folder(), cache_limit()) == (Path("~/here").expanduser(), 1_500_000_000)
    monkeypatch.delenv("OSSICLE_CACHE")
    monkeypatch.delenv("OSSICLE_CACHE_GB")
    assert (cache_folder().name, cache_limit()) == ("ossicle", 50 * 10**9)
    for wrong in ("much", "0", "-1", "inf", "nan"):
        monkeypatch.setenv("OSSICLE_CACHE_GB", wrong)
        with pytest.raises(RunError, match=f"OSSICLE_CACHE_GB is '{wrong}'; expected a number"):
            cache_limit()
