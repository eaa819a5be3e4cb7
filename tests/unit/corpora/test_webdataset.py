"""Tar shards: splits by name, and nothing in a shard is ignored."""

import io
import json
import tarfile

import numpy as np
import pytest
import soundfile

from ossicle.data import open_data, read_data
from ossicle.errors import DataError

ABOUT = json.dumps({"label": "a"}).encode()


def shard(path, count=4, mode="w", seed=0, **more):
    """Write a shard of labelled noises, and more files: name, with __ for a dot -> content."""
    rng = np.random.default_rng(seed)
    samples = []
    for number in range(count):
        data = io.BytesIO()
        soundfile.write(data, rng.uniform(-0.5, 0.5, 800), 8000, format="WAV")
        about = json.dumps({"label": "ab"[number % 2]}).encode()
        samples += [(f"{number}.wav", data.getvalue()), (f"{number}.json", about)]
    samples += [(name.replace("__", "."), content) for name, content in more.items()]
    with tarfile.open(path, mode) as tar:
        for name, content in samples:
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))


@pytest.mark.parametrize("name", ["{}-000.tar", "{}_000.tar", "{}000.tar", "{}.tar", "{}/0.tar"])
def test_the_first_word_of_a_name_tells_the_side(tmp_path, name):
    for seed, side in enumerate(("train", "val", "test")):
        path = tmp_path / name.format(side)
        path.parent.mkdir(exist_ok=True)
        shard(path, count=seed + 2, seed=seed)
    dataset = open_data(f"webdataset:{tmp_path}")
    assert [len(part) for part in dataset.sides.values()] == [2, 3, 4]
    assert dataset.given


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"z__m4a": b"x", "z__json": ABOUT}, r"1 samples have no audio file: z.m4a"),
        ({"z__seg__wav": b"x", "z__json": ABOUT}, r"1 samples have no audio file: z.seg.wav"),
        ({"0__flac": b"x"}, r"two audio files for 0: 0.wav and 0.flac"),
        ({"0__wav": b"x"}, r"two audio files for 0: 0.wav and 0.wav"),
        ({"0__json": b'{"label": ["a"]}'}, r"all.tar, 0: label is not a text or a number"),
    ],
)
def test_a_sample_that_is_not_one_sound_and_one_label_is_refused(tmp_path, more, message):
    shard(tmp_path / "all.tar", **more)
    with pytest.raises(DataError, match=message):
        open_data(f"webdataset:{tmp_path}")


def test_shards_that_are_compressed_truncated_or_empty_are_refused(tmp_path):
    shard(tmp_path / "train-0.tar")
    shard(tmp_path / "test-0.tar.gz", mode="w:gz")
    with pytest.raises(DataError, match=r"has compressed shards: test-0.tar.gz"):
        open_data(f"webdataset:{tmp_path}")
    (tmp_path / "test-0.tar.gz").unlink()
    whole = (tmp_path / "train-0.tar").read_bytes()
    (tmp_path / "train-0.tar").write_bytes(whole[:4000])
    with pytest.raises(DataError, match=r"train-0.tar cannot be read: it has no end mark"):
        open_data(f"webdataset:{tmp_path}")
    shard(tmp_path / "train-0.tar", count=0)
    with pytest.raises(DataError, match=r"has no recordings: its 1 shards are empty"):
        open_data(f"webdataset:{tmp_path}")


@pytest.mark.parametrize("name", ["big.json", "big.wav"])
def test_a_member_that_is_larger_than_its_shard_is_refused_and_not_read(tmp_path, name):
    shard(tmp_path / "a.tar")
    header = tarfile.TarInfo(name)
    header.size = 10**12
    content = (tmp_path / "a.tar").read_bytes()
    (tmp_path / "a.tar").write_bytes(header.tobuf() + content)
    with pytest.raises(DataError, match=rf"a\.tar cannot be read: {name} is larger than the shard"):
        open_data(f"webdataset:{tmp_path}")


def test_any_field_can_be_chosen_by_also_one_that_some_lack(tmp_path):
    styles = {"0__json": {"label": "a", "style": "free"}, "1__json": {"label": "b", "style": 7}}
    path = tmp_path / "all.tar"
    rng = np.random.default_rng(0)
    with tarfile.open(path, "w") as tar:
        for number in range(3):
            data = io.BytesIO()
            soundfile.write(data, rng.uniform(-0.5, 0.5, 800), 8000, format="WAV")
            about = styles.get(f"{number}__json", {"label": "a"})
            for name, content in (
                (f"{number}.wav", data.getvalue()),
                (f"{number}.json", json.dumps(about).encode()),
            ):
                member = tarfile.TarInfo(name)
                member.size = len(content)
                tar.addfile(member, io.BytesIO(content))
    found = read_data(f"webdataset:{path}?where=style=7,style=free")
    assert [one.key for one in found.utterances] == ["all.tar/0", "all.tar/1"]
    with pytest.raises(DataError, match=r"no recording has style=x. It has: 7, free\."):
        read_data(f"webdataset:{path}?where=style=x")
