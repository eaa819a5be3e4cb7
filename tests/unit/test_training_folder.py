"""A run folder has one writer; relative paths of a run are resolved again."""

import os
import subprocess
import sys
from pathlib import Path
from threading import Timer

import pytest

from ossicle.errors import RunError
from ossicle.files import write_sealed
from ossicle.training.folder import (
    CONFIG,
    LOCK,
    METRICS,
    THREADS,
    VERSIONS,
    Writer,
    check_new,
    check_unlocked,
    places_of,
    starting_place,
    threads_of,
)

HOLD = """
import sys
from pathlib import Path
from ossicle.training.folder import Writer
with Writer(Path(sys.argv[1])) as writer:
    writer.take()
    print("taken", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def holder(tmp_path: Path):
    """Another process that has locked `tmp_path / "run"`."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path / "run")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdout.readline() == b"taken\n"
    yield process
    process.kill()
    process.wait()
    process.stdin.close()
    process.stdout.close()


def test_a_writer_waits_for_a_reader_that_holds_the_lock_for_a_moment(tmp_path: Path) -> None:
    reader = Writer(tmp_path)
    reader.take()
    Timer(0.1, lambda: reader.__exit__(None, None, None)).start()
    with Writer(tmp_path) as writer:
        writer.take()


def test_a_second_writer_gets_the_name_of_the_first(
    holder: subprocess.Popen, tmp_path: Path
) -> None:
    match = rf"run' is being written by another process \(process {holder.pid}\); wait until"
    for _ in range(2):  # the first refusal leaves the number in place
        with Writer(tmp_path / "run") as writer, pytest.raises(RunError, match=match):
            writer.take()
        with pytest.raises(RunError, match=match):
            check_new(tmp_path / "run")
        with pytest.raises(RunError, match=match):
            check_unlocked(tmp_path / "run")


def test_a_killed_writer_does_not_block_others(holder: subprocess.Popen, tmp_path: Path) -> None:
    holder.kill()
    holder.wait()
    assert (tmp_path / "run" / LOCK).is_file()
    check_new(tmp_path / "run")  # its files do not count as those of a run
    with Writer(tmp_path / "run") as writer:
        writer.take()
        writer.take()  # once is enough
        assert (tmp_path / "run" / LOCK).read_text() == str(os.getpid())
    assert list((tmp_path / "run").iterdir()) == []


def test_a_folder_that_cannot_be_created_is_a_one_line_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with Writer(tmp_path / "file" / "run") as writer, pytest.raises(RunError, match="Not a dir"):
        writer.take()
    with pytest.raises(RunError, match="cannot be created: File name too long; choose anoth"):
        check_new(tmp_path / ("a" * 300))
    with pytest.raises(RunError, match="is a file; choose a new or an empty folder"):
        check_new(tmp_path / "file")
    check_new(tmp_path / "new")
    assert not (tmp_path / "new").exists()
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / METRICS).write_text("{}")
    with pytest.raises(RunError, match=r"is not empty; choose another folder$"):
        check_new(tmp_path / "old")
    (tmp_path / "old" / CONFIG).write_text("{}")
    with pytest.raises(RunError, match="or continue its run with --resume"):
        check_new(tmp_path / "old")


def test_paths_start_here_or_where_the_run_was_started_or_what_is_there_now(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = tmp_path / "project"
    run = project / "runs" / "a"
    run.mkdir(parents=True)
    monkeypatch.chdir(project)
    assert places_of(Path("runs/a")) == (Path(),)
    started = starting_place(Path("runs/a"))
    assert started == {"started_in": str(project), "started_in_from_run": "../.."}
    write_sealed(run / VERSIONS, started)
    assert places_of(Path("runs/a")) == (Path(),)  # both are the working directory
    monkeypatch.chdir(tmp_path)
    assert places_of(Path("project/runs/a")) == (Path(), project)
    assert starting_place(Path("project/runs/a")) == started  # the first start counts
    moved = tmp_path / "moved"
    project.rename(moved)
    assert places_of(moved / "runs" / "a") == (Path(), project, moved)


def test_a_run_does_not_go_on_with_a_number_of_threads_that_cannot_be_read(tmp_path: Path) -> None:
    assert threads_of(tmp_path) is None
    write_sealed(tmp_path / VERSIONS, {THREADS: 1})
    assert threads_of(tmp_path) == 1
    file = tmp_path / VERSIONS
    file.write_text(file.read_text().replace(f'"{THREADS}": 1', f'"{THREADS}": 2'))
    with pytest.raises(RunError, match=r"versions\.json' cannot be used"):
        threads_of(tmp_path)
