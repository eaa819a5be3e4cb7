"""Recordings are decoded in workers, within limits that hold."""

import fcntl
import os
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event
from typing import IO

import numpy as np
import pytest

from ossicle.data import load_wave
from ossicle.serving.decoding import Decoder, DecodingLimits
from ossicle.serving.refusal import Refusal, bad_audio
from sent_recordings import encoded, hostile, silence, tone, uncounted

pytestmark = pytest.mark.thorough


@pytest.fixture(scope="module")
def decoder() -> Iterator[Decoder]:
    made = Decoder(2, DecodingLimits(duration_s=60.0, samples=2**23, time_s=20))
    yield made
    made.close()


def unread(sink: IO[bytes]) -> int:
    """Return the number of bytes in a pipe that its reader has not read."""
    return int.from_bytes(fcntl.ioctl(sink, termios.FIONREAD, bytes(4)), sys.byteorder)


def refused(decoder: Decoder, data: bytes) -> Refusal:
    with pytest.raises(Refusal) as info:
        decoder.decode(data, [16_000])
    return info.value


def memory_bytes(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")


@pytest.mark.parametrize(
    ("format", "rate", "channels"),
    [
        ("WAV", 16_000, 1),
        ("FLAC", 44_100, 2),
        ("OGG", 22_050, 1),
        ("MP3", 32_000, 2),
        ("AIFF", 8_000, 1),
        ("CAF", 16_000, 3),
        ("WAV", 192_000, 8),
    ],
)
def test_the_waves_are_those_of_the_file(
    decoder: Decoder, tmp_path: Path, format: str, rate: int, channels: int
) -> None:
    data = encoded(tone(rate=rate, channels=channels), rate, format)
    (tmp_path / "file").write_bytes(data)
    decoded = decoder.decode(data, [16_000, 24_000, 16_000])
    assert decoded.waves.keys() == {16_000, 24_000}
    for to, wave in decoded.waves.items():
        assert wave.dtype == np.float32
        np.testing.assert_array_equal(wave, load_wave(tmp_path / "file", to))
    assert decoded.duration_s == pytest.approx(0.5, abs=0.06)  # mp3 is padded


@pytest.mark.parametrize("name", hostile())
def test_a_bad_recording_is_refused_in_a_sentence(decoder: Decoder, name: str) -> None:
    pids = set(decoder.pids)
    refusal = refused(decoder, hostile()[name])
    assert (refusal.status, refusal.type) == (bad_audio("").status, "bad_audio")
    assert str(refusal).startswith("The recording ")
    assert str(refusal).endswith(".")
    assert "the data." not in str(refusal)
    assert set(decoder.pids) == pids  # nothing crashed


@pytest.mark.parametrize("format", ["FLAC", "OGG", "uncounted"])
def test_hours_of_silence_in_a_small_file_are_refused_without_memory(
    decoder: Decoder, format: str
) -> None:
    hours = 0.04 if format == "OGG" else 3  # an ogg takes long to encode
    data = silence(hours, "FLAC" if format == "uncounted" else format)
    data = uncounted(data) if format == "uncounted" else data
    assert len(data) < 500_000
    refusal = refused(decoder, data)
    assert (refusal.status, refusal.type) == (413, "too_long")
    assert "longer than 60 s" in str(refusal)
    assert all(memory_bytes(pid) < 150 * 2**20 for pid in decoder.pids)


def test_samples_are_limited_at_any_rate(decoder: Decoder) -> None:
    samples = np.zeros(2**23 + 1, np.int16)
    assert "longer than 10.9227 s" in str(refused(decoder, encoded(samples, 768_000)))


def test_a_recording_that_needs_too_much_memory_is_refused() -> None:
    decoder = Decoder(1, DecodingLimits(duration_s=600, memory_bytes=24 * 2**20))
    try:
        refusal = refused(decoder, encoded(tone(seconds=400)))
        assert (refusal.status, refusal.type) == (413, "too_large")
        assert "more than 24 MiB" in str(refusal)
        assert len(decoder.decode(encoded(tone()), [16_000]).waves[16_000]) == 8_000
        assert refused(decoder, bytes(25 * 2**20)).status == 413
    finally:
        decoder.close()


def test_a_worker_that_exceeds_its_time_is_killed_and_replaced() -> None:
    decoder = Decoder(1, DecodingLimits(time_s=2))
    try:
        decoder.decode(encoded(tone()), [16_000])
        (pid,) = decoder.pids
        os.kill(pid, signal.SIGSTOP)  # it hangs for ever
        start = time.monotonic()
        refusal = refused(decoder, encoded(tone(seconds=60)))
        assert time.monotonic() - start < 5
        assert (refusal.status, refusal.type) == (413, "too_long")
        assert "longer than 2 s to decode" in str(refusal)
        assert decoder.pids != [pid]
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
        decoder.decode(encoded(tone()), [16_000])
    finally:
        decoder.close()


def test_a_worker_that_was_killed_costs_no_request(decoder: Decoder) -> None:
    for pid in decoder.pids:
        os.kill(pid, signal.SIGKILL)
    time.sleep(0.1)
    for _ in range(3):
        decoder.decode(encoded(tone()), [16_000])


def test_a_crash_costs_the_request_that_caused_it_alone() -> None:
    decoder = Decoder(1)
    try:
        decoder.decode(encoded(tone()), [16_000])
        (pid,) = decoder.pids
        (worker,) = decoder._free.queue
        os.kill(pid, signal.SIGSTOP)
        with ThreadPoolExecutor() as threads:
            first = threads.submit(refused, decoder, encoded(tone()))
            while not unread(worker._sink):  # before that, a dead worker would be replaced
                time.sleep(0.01)
            os.kill(pid, signal.SIGSEGV)
            os.kill(pid, signal.SIGCONT)
            assert first.result().type == "bad_audio"
        decoder.decode(encoded(tone()), [16_000])
    finally:
        decoder.close()


def test_threads_share_the_workers(decoder: Decoder) -> None:
    sizes = [1_000 * n for n in range(1, 40)]
    waves = [tone(size / 16_000) for size in sizes]
    with ThreadPoolExecutor(8) as threads:
        found = threads.map(lambda wave: decoder.decode(encoded(wave), [16_000]), waves)
        assert [len(one.waves[16_000]) for one in found] == sizes


def test_without_a_free_worker_a_request_is_refused_in_time() -> None:
    decoder = Decoder(1, DecodingLimits(time_s=3, wait_s=0.2))
    try:
        decoder.decode(encoded(tone()), [16_000])
        os.kill(decoder.pids[0], signal.SIGSTOP)
        with ThreadPoolExecutor() as threads:
            first = threads.submit(refused, decoder, encoded(tone()))
            while decoder.pids:
                time.sleep(0.01)
            refusal = refused(decoder, encoded(tone()))
            assert (refusal.status, refusal.type) == (429, "busy")
            assert refusal.headers == {"Retry-After": "1"}
            assert first.result().type == "too_long"
    finally:
        decoder.close()


def test_a_recording_that_nobody_waits_for_is_not_decoded(decoder: Decoder) -> None:
    gone = Event()
    gone.set()
    with pytest.raises(Refusal) as info:
        decoder.decode(encoded(tone()), [16_000], gone)
    assert info.value.status == 408


def test_workers_end_with_the_decoder() -> None:
    decoder = Decoder(2)
    pids = decoder.pids
    decoder.close()
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_workers_end_with_their_parent() -> None:
    program = (
        "import time; from ossicle.serving.decoding import Decoder; d = Decoder(1);"
        "print(d.pids[0], flush=True); time.sleep(60)"
    )
    command = [sys.executable, "-c", program]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        parent.kill()
    for _ in range(100):
        if not Path(f"/proc/{pid}").exists() or "Z" in Path(f"/proc/{pid}/stat").read_text():
            return
        time.sleep(0.1)
    os.kill(pid, signal.SIGKILL)
    pytest.fail("the worker goes on")


def test_a_worker_imports_little_and_does_not_know_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    program = "import sys, ossicle.serving.decode_worker; print(*sys.modules)"
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    modules = set(found.stdout.decode().split())
    assert not modules & {"torch", "transformers", "fastapi", "uvicorn", "scipy", "sklearn"}
    monkeypatch.setenv("OSSICLE_API_KEY", "secret-of-the-test")
    decoder = Decoder(1)
    try:
        assert b"secret-of-the-test" not in Path(f"/proc/{decoder.pids[0]}/environ").read_bytes()
    finally:
        decoder.close()
