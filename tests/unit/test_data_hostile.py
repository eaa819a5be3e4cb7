"""Files that would block, fill the memory or end a scan are reported individually."""

import os
import socket
import struct
from pathlib import Path

import numpy as np
import pytest
import soundfile

from ossicle.data import decode
from ossicle.data.audio import duration_s, load_wave
from ossicle.data.scan import scan
from ossicle.data.utterance import Utterance
from ossicle.errors import AudioError


def noise(count=8000):
    return np.random.default_rng(0).uniform(-0.3, 0.3, count)


def test_a_pipe_is_refused_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.wav")
    with pytest.raises(AudioError, match=r"pipe\.wav is a pipe, not an audio file"):
        load_wave(tmp_path / "pipe.wav", 16000)
    with pytest.raises(AudioError, match=r"pipe\.wav is a pipe"):
        duration_s(tmp_path / "pipe.wav")
    with pytest.raises(AudioError, match=r"pipe\.wav is a pipe"):
        scan([Utterance("pipe.wav", tmp_path / "pipe.wav", "x")], 16000, 400)


def test_a_folder_a_socket_and_a_device_are_refused(tmp_path, monkeypatch):
    with pytest.raises(AudioError, match="is a folder, not an audio file"):
        load_wave(tmp_path, 16000)
    monkeypatch.chdir(tmp_path)  # the name of a socket has to be short
    with socket.socket(socket.AF_UNIX) as made:
        made.bind("socket.wav")
        with pytest.raises(AudioError, match=r"socket\.wav is a socket"):
            load_wave("socket.wav", 16000)
    with pytest.raises(AudioError, match="/dev/zero is a device"):
        load_wave("/dev/zero", 16000)


def test_a_link_to_a_file_is_a_file_and_a_link_to_nothing_is_missing(tmp_path):
    soundfile.write(tmp_path / "a.wav", noise(), 16000)
    (tmp_path / "b.wav").symlink_to("a.wav")
    (tmp_path / "c.wav").symlink_to("gone")
    assert len(load_wave(tmp_path / "b.wav", 16000)) == 8000
    with pytest.raises(AudioError, match=r"c\.wav does not exist"):
        load_wave(tmp_path / "c.wav", 16000)


@pytest.mark.parametrize("name", ["x" * 300 + ".wav", "zero\0byte.wav"])
def test_a_name_that_no_file_can_have_is_refused(tmp_path, name):
    with pytest.raises(AudioError, match=r"cannot be opened: .*Remove it"):
        load_wave(tmp_path / name, 16000)


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads every file")
def test_a_file_that_may_not_be_read_is_refused(tmp_path):
    soundfile.write(tmp_path / "a.wav", noise(), 16000)
    (tmp_path / "a.wav").chmod(0)
    with pytest.raises(AudioError, match=r"a\.wav cannot be opened: Permission denied"):
        load_wave(tmp_path / "a.wav", 16000)


def test_a_flac_that_states_2_to_the_36_samples_is_refused(tmp_path):
    soundfile.write(tmp_path / "a.flac", noise(), 16000)
    content = bytearray((tmp_path / "a.flac").read_bytes())
    content[21:26] = (content[21] | 0x0F).to_bytes() + b"\xff" * 4
    (tmp_path / "a.flac").write_bytes(content)
    match = (
        r"a\.flac is truncated: its header states 68719476735 samples, but only 8000 can be decoded"
    )
    for duration in (None, 1e7):
        with pytest.raises(AudioError, match=match):
            load_wave(tmp_path / "a.flac", 16000, duration_s=duration)


def test_an_mp3_that_states_2_to_the_32_frames_is_refused(tmp_path):
    soundfile.write(tmp_path / "a.mp3", noise(), 44100)
    content = bytearray((tmp_path / "a.mp3").read_bytes())
    at = max(content.find(b"Xing"), content.find(b"Info"))
    content[at + 8 : at + 12] = b"\xff" * 4
    (tmp_path / "a.mp3").write_bytes(content)
    with pytest.raises(AudioError, match=r"a\.mp3 is truncated: its header states 4294967295 fra"):
        load_wave(tmp_path / "a.mp3", 16000)


def test_an_ogg_that_states_2_to_the_36_samples_is_read_as_far_as_it_goes(tmp_path):
    soundfile.write(tmp_path / "a.ogg", noise(), 44100)
    content = bytearray((tmp_path / "a.ogg").read_bytes())
    last = content.rfind(b"OggS")
    struct.pack_into("<Q", content, last + 6, 2**36)
    struct.pack_into("<I", content, last + 22, 0)
    struct.pack_into("<I", content, last + 22, crc(content[last:]))
    (tmp_path / "a.ogg").write_bytes(content)
    # Vorbis codes in blocks of 64 to 8192 samples: the last is no longer trimmed.
    assert 8000 <= len(load_wave(tmp_path / "a.ogg", 44100)) < 8000 + 8192


def crc(page):
    """Return the checksum of an Ogg page, RFC 3533: polynomial 0x04c11db7, nothing reflected."""
    register = 0
    for byte in page:
        register ^= byte << 24
        for _ in range(8):
            register = (register << 1 ^ (0x04C11DB7 if register >> 31 else 0)) & 0xFFFFFFFF
    return register


@pytest.mark.parametrize("rate", [1, 999, 768_001, 2_000_000_000])
def test_a_rate_that_no_recording_has_is_refused(tmp_path, rate):
    soundfile.write(tmp_path / "a.wav", noise(), 16000)
    content = bytearray((tmp_path / "a.wav").read_bytes())
    struct.pack_into("<I", content, 24, rate)
    (tmp_path / "a.wav").write_bytes(content)
    match = rf"a\.wav states a sample rate of {rate} Hz; expected 1000 to 768000 Hz"
    with pytest.raises(AudioError, match=match):
        load_wave(tmp_path / "a.wav", 16000)


def test_what_is_held_in_memory_has_a_limit(tmp_path, monkeypatch):
    monkeypatch.setattr(decode, "LONGEST", 20_000)
    monkeypatch.setattr(decode, "_BLOCK", 1_000)
    soundfile.write(tmp_path / "long.wav", noise(30_000), 16000)
    whole = Utterance.of(tmp_path / "long.wav", tmp_path, "x")
    with pytest.raises(AudioError, match=r"long\.wav or a part of it is longer than"):
        load_wave(whole.path, 16000)
    with pytest.raises(AudioError, match=r"long\.wav or a part of it is longer than"):
        scan([whole], 16000, 400)
    parts = [Utterance.of(whole.path, tmp_path, "x", None, s, 1.0) for s in (0.0, 0.25, 0.875)]
    assert [one.num_samples for one in scan(parts, 16000, 400)] == [16000] * 3


def test_the_other_files_of_a_list_are_still_named(tmp_path):
    soundfile.write(tmp_path / "good.wav", noise(), 16000)
    os.mkfifo(tmp_path / "pipe.wav")
    names = ["pipe.wav", "good.wav", "gone.wav"]
    with pytest.raises(AudioError) as caught:
        scan([Utterance(name, tmp_path / name, "x") for name in names], 16000, 400)
    lines = str(caught.value).splitlines()
    assert lines[0] == "2 of 3 recordings cannot be used:"
    assert "pipe.wav is a pipe" in lines[1]
    assert "gone.wav does not exist" in lines[2]


def test_a_path_may_be_any_bytes(tmp_path):
    name = os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.wav")
    soundfile.write(tmp_path / "a.wav", noise(), 16000)
    (tmp_path / "a.wav").rename(name)
    assert len(load_wave(Path(name), 16000)) == 8000
