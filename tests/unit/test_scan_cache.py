"""A second scan decodes nothing; a file that has changed is decoded again."""

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from ossicle import files
from ossicle.backbones import Backbone
from ossicle.compute.processes import Processes
from ossicle.data import Scanned, Utterance
from ossicle.frozen import database
from ossicle.progress import no_progress
from ossicle.training.recordings import scan_together
from tones import write_tone

OPENED: list[str] = []
sys.addaudithook(
    lambda event, arguments: (
        OPENED.append(str(arguments[0]))
        if event == "open" and str(arguments[0]).endswith(".wav")
        else None
    )
)


@pytest.fixture
def scanned(
    build: Callable[..., Backbone], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[], dict[str, Scanned]]:
    """A function that scans three parts of two files; files that are new are remembered."""
    monkeypatch.setenv("OSSICLE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(files, "RACY_NS", 0)
    for number in range(2):
        write_tone(tmp_path / f"{number}.wav", "high", 0.4, seed=number)
    parts = [
        Utterance.of(tmp_path / "0.wav", tmp_path, "a"),
        Utterance.of(tmp_path / "1.wav", tmp_path, "a", None, 0.0, 0.2),
        Utterance.of(tmp_path / "1.wav", tmp_path, "a", None, 0.2, 0.1),
    ]
    backbone = build("hubert")

    def scan() -> dict[str, Scanned]:
        OPENED.clear()
        return scan_together(parts, backbone, Processes(cpu=True), no_progress)

    return scan


def test_a_second_scan_opens_no_recording(scanned: Callable[[], dict[str, Scanned]]) -> None:
    first = scanned()
    assert len(OPENED) >= 2
    assert scanned() == first
    assert OPENED == []


def test_a_file_that_changed_is_scanned_again_even_with_its_old_time(
    scanned: Callable[[], dict[str, Scanned]], tmp_path: Path
) -> None:
    first, file = scanned(), tmp_path / "0.wav"
    before = file.stat()
    write_tone(file, "high", 0.4, seed=9)
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert file.stat().st_size == before.st_size
    second = scanned()
    assert {Path(name).name for name in OPENED} == {"0.wav"}
    assert second["0.wav"].content.sound != first["0.wav"].content.sound
    assert {**second, "0.wav": first["0.wav"]} == first


def test_a_file_that_has_just_changed_is_not_remembered(
    scanned: Callable[[], dict[str, Scanned]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "RACY_NS", 60 * 10**9)
    first = scanned()
    assert scanned() == first
    assert len(OPENED) >= 2


@pytest.mark.parametrize("damage", [b"no database", b""])
def test_a_damaged_file_is_replaced(
    damage: bytes, scanned: Callable[[], dict[str, Scanned]], tmp_path: Path
) -> None:
    first = scanned()
    (tmp_path / "cache" / database.FILE).write_bytes(damage * 100)
    assert scanned() == first
    assert len(OPENED) >= 2
    scanned()
    assert scanned() == first
    assert OPENED == []
    assert database.clear_database(tmp_path / "cache") > 0
    assert database.database_bytes(tmp_path / "cache") == 0


def test_a_folder_that_cannot_be_used_is_ignored(
    scanned: Callable[[], dict[str, Scanned]], tmp_path: Path
) -> None:
    (tmp_path / "cache").write_text("a file")
    assert scanned() == scanned()
