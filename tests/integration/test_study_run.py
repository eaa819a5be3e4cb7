"""A study runs what is missing, keeps what is finished, and reports from its folder alone."""

import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from here import Here
from ossicle.adapters.folder import TENSORS
from ossicle.checksums import DIGEST
from ossicle.errors import RunError
from ossicle.files import write_sealed
from ossicle.studies import FewShot, Grid, Methods, report_study, run_study
from ossicle.studies.record import STUDY, read_record
from ossicle.training.config import TrainConfig
from ossicle.training.folder import LOG, METRICS
from ossicle.training.run import train
from ossicle.trials.naming import Naming


@pytest.fixture(scope="module")
def grid(settings: Callable[..., TrainConfig]) -> Grid:
    """One epoch of two recipes."""
    return Grid(config=settings(recipe="", epochs=1, track="none"), recipes=("linear", "lora"))


@pytest.fixture(scope="module")
def done(grid: Grid, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a study that has finished."""
    folder = tmp_path_factory.mktemp("studies") / "done"
    found = run_study(Methods(), grid, folder, engine=Here())
    assert [one.state for one in found.outcomes] == ["finished", "finished"]
    return folder


def test_a_study_keeps_finished_trials_and_continues_interrupted_ones(
    settings: Callable[..., TrainConfig], interrupt: Callable[..., None], tmp_path: Path
) -> None:
    linear, lora = settings(recipe="linear"), settings(recipe="lora")
    grid = Grid(config=settings(recipe=""), recipes=("linear", "lora"))
    names = [Naming().name(trial) for trial in Methods().trials(grid)]
    folders = [tmp_path / "study" / "trials" / name for name in names]
    train(linear, folders[0])
    before = (folders[0] / METRICS).stat().st_mtime_ns
    interrupt(lora, folders[1], epoch=3)
    train(lora, tmp_path / "whole")
    engine = Here()
    found = run_study(Methods(), grid, tmp_path / "study", engine=engine)
    assert [job.folder for job in engine.computed] == folders[1:]
    assert (folders[0] / METRICS).stat().st_mtime_ns == before
    for name in (TENSORS, LOG):
        assert (folders[1] / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    assert not found.failed


def test_a_larger_grid_and_another_study_run_only_what_is_new(
    grid: Grid, done: Path, tmp_path: Path
) -> None:
    shutil.copytree(done, tmp_path / "study")
    engine = Here()
    larger = Grid(config=grid.config, recipes=("bitfit", *grid.recipes))
    run_study(Methods(), larger, tmp_path / "study", engine=engine)
    assert [job.trial.labels["recipe"] for job in engine.computed] == ["bitfit"]
    record = read_record(tmp_path / "study")
    assert [one.labels["recipe"] for one in record.trials] == ["bitfit", "linear", "lora"]
    again = Here()
    run_study(Methods(), grid, tmp_path / "other", trials_folder=done / "trials", engine=again)
    assert not again.computed
    assert read_record(tmp_path / "other").trials_folder == str(done / "trials")


def test_a_study_says_when_it_replaces_the_report_of_another_command(
    grid: Grid, done: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    shutil.copytree(done, tmp_path / "study")
    run_study(Methods(), grid, tmp_path / "study", engine=Here())
    assert caplog.messages == []  # in another folder, the same command
    fewer = Grid(config=grid.config, recipes=grid.recipes[:1])
    run_study(Methods(), fewer, tmp_path / "study", engine=Here())
    (said,) = caplog.messages
    assert "has the report of another command, which this one replaces" in said
    assert f"--recipes={','.join(grid.recipes)}" in said


def test_no_report_is_written_without_the_folder_of_the_trials(done: Path, tmp_path: Path) -> None:
    study = tmp_path / "study"
    shutil.copytree(done, study)
    written = {f.name: f.read_bytes() for f in study.iterdir() if f.is_file()}
    shutil.move(study / "trials", tmp_path / "elsewhere")
    with pytest.raises(RunError, match=r"are not in '.*trials', so that nothing can be reported"):
        report_study(study)
    assert {f.name: f.read_bytes() for f in study.iterdir() if f.is_file()} == written
    shutil.move(tmp_path / "elsewhere", study / "trials")
    assert report_study(study).report is not None


def test_a_trial_that_cannot_run_is_a_row_with_its_reason(grid: Grid, tmp_path: Path) -> None:
    given = Grid(config=grid.config, recipes=("lora[9]", "linear"))
    refused: list[str] = []
    found = run_study(
        Methods(),
        given,
        tmp_path / "study",
        engine=Here(),
        on_declared=lambda checked, _: refused.extend(why for _, why in checked.refused),
    )
    (failed,) = found.failed
    assert "this backbone has 2 layers" in str(failed.reason)
    assert refused == [failed.reason]
    assert found.report is not None
    assert found.report.failed == [("lora[9], seed 0", failed.reason)]
    with (tmp_path / "study" / "trials.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [(row["recipe"], row["state"]) for row in rows] == [
        ("linear", "finished"),
        ("lora[9]", "failed"),
    ]
    measured = found.outcomes[0].measured
    assert measured is not None
    assert float(rows[0]["accuracy"]) == measured.metrics["accuracy"]
    assert (tmp_path / "study" / rows[0]["folder"] / METRICS).is_file()


def test_a_study_without_a_valid_trial_lists_each_reason_and_writes_nothing(
    grid: Grid, tmp_path: Path
) -> None:
    given = Grid(config=grid.config, recipes=("lora[9]", "lora[8]"), seeds=(0, 1))
    with pytest.raises(RunError, match=r"names layer 9; .* \(2 trials\); .* names layer 8") as said:
        run_study(Methods(), given, tmp_path / "study", engine=Here())
    assert str(said.value).startswith("no trial of the study can run: ")
    assert not (tmp_path / "study").exists()


def test_more_shots_than_the_smallest_class_are_refused_before_anything_runs(
    grid: Grid, tmp_path: Path
) -> None:
    with pytest.raises(RunError, match="4 recordings of each class are more than the class 'high'"):
        run_study(FewShot(shots="4"), grid, tmp_path / "study", engine=Here())
    assert not (tmp_path / "study").exists()


def test_the_report_of_a_partial_study_says_what_is_missing(done: Path, tmp_path: Path) -> None:
    shutil.copytree(done, tmp_path / "study")
    record = read_record(done)
    shutil.rmtree(tmp_path / "study" / "trials" / record.names[1])
    found = report_study(tmp_path / "study")
    assert [one.state for one in found.outcomes] == ["finished", "pending"]
    assert found.report is not None
    assert found.report.missing[0] == "1 of 2 trials have not started: lora, seed 0."
    assert found.report.command.startswith("ossicle study methods --backbone=")
    assert json.loads((tmp_path / "study" / "report.json").read_text())["missing"]
    for name in record.names:
        shutil.rmtree(tmp_path / "study" / "trials" / name, ignore_errors=True)
    assert report_study(tmp_path / "study").report is not None


def test_a_folder_of_another_study_or_format_is_refused(
    grid: Grid, done: Path, tmp_path: Path
) -> None:
    with pytest.raises(RunError, match="has a study of another kind: methods, not few-shot"):
        run_study(FewShot(), grid, done, engine=Here())
    shutil.copy(done / STUDY, tmp_path / STUDY)
    (tmp_path / "trials").mkdir()
    declared = json.loads((done / STUDY).read_text())
    del declared[DIGEST]
    write_sealed(tmp_path / STUDY, {**declared, "format": 2, "version": "9.1"})
    for run in (
        lambda: report_study(tmp_path),
        lambda: run_study(Methods(), grid, tmp_path, engine=Here()),
    ):
        with pytest.raises(RunError, match=r"was written by ossicle 9\.1.*Use that version"):
            run()
    with pytest.raises(RunError, match=f"'{tmp_path / 'trials'}' is not a study folder"):
        report_study(tmp_path / "trials")
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "notes.txt").write_text("mine")
    with pytest.raises(RunError, match="taken' is not empty; choose another folder"):
        run_study(Methods(), grid, tmp_path / "taken", engine=Here())


def test_a_declaration_survives_its_file(grid: Grid, done: Path) -> None:
    record = read_record(done)
    assert list(record.trials) == Methods().trials(grid)
    assert list(record.names) == [Naming().name(trial) for trial in record.trials]


def test_a_repeated_study_keeps_its_number_of_threads(
    grid: Grid, done: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "study"
    shutil.copytree(done, folder)
    assert read_record(folder).threads is None  # of another engine
    for threads in ("3", "2"):
        monkeypatch.setenv("OMP_NUM_THREADS", threads)
        run_study(Methods(), grid, folder, workers=1, report=False)  # all trials are finished
        assert read_record(folder).threads == 3
