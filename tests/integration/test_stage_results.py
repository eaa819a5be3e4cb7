"""What a stage changes on its own data and on earlier ones, and what evaluation allows."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from ossicle.cli.stages import chain_of, print_stage
from ossicle.errors import AdapterFileError, RunError, SplitError
from ossicle.training.combine import make_ensemble
from ossicle.training.config import TrainConfig
from ossicle.training.folder import read_config
from ossicle.training.parent import open_parent
from ossicle.training.result import RunResult, read_result
from ossicle.training.run import train
from ossicle.training.trained import Trained
from tones import write_corpus, write_metadata

Configure = Callable[..., TrainConfig]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with recordings of the labels alarm and low, of which only low is known before."""
    root = tmp_path_factory.mktemp("later") / "target"
    rows = write_corpus(root, seconds=0.4)
    names = {"high": "alarm", "low": "low"}
    write_metadata(root, [(file, names[label], *rest) for file, label, *rest in rows])
    return root


@pytest.fixture(scope="module")
def second(
    settings: Configure, finished: Path, data: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, RunResult]:
    """Return the folder of a stage whose head has a new output, and its result."""
    folder = tmp_path_factory.mktemp("stages") / "second"
    config = settings(parent=str(finished), data=f"audiofolder:{data}", head_from="extend")
    return folder, train(replace(config, recipe="bias", backbone="", epochs=2), folder)


def test_before_is_the_parent_and_after_is_the_run(
    second: tuple[Path, RunResult], finished: Path, corpus: Path
) -> None:
    folder, result = second
    assert result.stage is not None
    earlier, own = result.stage["tests"]
    parent, now = Trained.open(finished), Trained.open(folder)
    metrics = ("macro_f1", "accuracy", "uar", "intervals", "count")
    was, kept = parent.evaluate(earlier["data"]), now.evaluate(earlier["data"])
    assert earlier["data"] == f"audiofolder:{corpus}"
    assert earlier["before"] == {key: was[key] for key in metrics}
    assert earlier["after"] == {key: kept[key] for key in metrics}
    assert own["after"] == {key: result.test_metrics[key] for key in metrics}
    low = [one for one in result.test_metrics["recordings"] if one["label"] == "low"]
    assert own["before"]["accuracy"] <= len(low) / 6  # the parent knows nothing of alarms
    assert [one["why"] for one in (earlier, own)] == ["", ""]
    assert read_result(folder) == result


def test_recordings_of_every_stage_are_refused(
    second: tuple[Path, RunResult], corpus: Path, data: Path
) -> None:
    trained = Trained.open(second[0])
    with pytest.raises(SplitError, match="trained an earlier stage of this adapter"):
        trained.evaluate(str(corpus), side="all")
    with pytest.raises(SplitError, match="trained this adapter"):
        trained.evaluate(str(data), side="all")
    assert trained.evaluate(f"audiofolder:{corpus}", side="valid")["count"] == 6


@pytest.mark.thorough
def test_an_ensemble_of_stages_refuses_what_its_members_were_trained_on_before(
    second: tuple[Path, RunResult], corpus: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    shutil.copytree(second[0], other)
    config = replace(read_config(other), seed=1)
    shutil.rmtree(other)
    train(config, other)
    make_ensemble([second[0], other], tmp_path / "both")
    trained = Trained.open(tmp_path / "both")
    with pytest.raises(SplitError, match="an earlier stage of member 'second'"):
        trained.evaluate(str(corpus), side="all")
    with pytest.raises(RunError, match="is an ensemble, and a stage starts from a single run"):
        open_parent(tmp_path / "both")
    (tmp_path / "both/members/other/parent/split.json").unlink()
    with pytest.raises(AdapterFileError, match=r"parent/split\.json"):
        Trained.open(tmp_path / "both")


def test_a_chain_is_shown_with_the_paths_that_were_given(
    second: tuple[Path, RunResult], finished: Path, corpus: Path
) -> None:
    (only,) = chain_of(second[0])
    assert only["folder"] == str(finished)
    assert only["expression"] == "lora(dropout=0.3)"
    assert only["data"] == f"audiofolder:{corpus}"
    assert only["split_fingerprint"] == read_result(finished).split_fingerprint


def test_gain_and_forgetting_are_printed(capsys: pytest.CaptureFixture[str]) -> None:
    def test(data: str, *rates: float | None, why: str = "") -> dict[str, object]:
        before, after = (None if one is None else {"wer": one} for one in rates)
        return {"data": data, "before": before, "after": after, "why": why}

    gone = test("b", None, None, why="gone")
    print_stage([test("a", 0.2, 0.5), gone, test("c", 0.75, 0.5)], "asr")
    assert capsys.readouterr().out.splitlines() == [
        "stage 1, a: WER 20.0 % -> 50.0 %, forgetting +30.0",
        "stage 2, b: WER forgetting not available: gone",
        "stage 3, c: WER 75.0 % -> 50.0 %, gain +25.0",
    ]


def test_without_the_data_of_an_earlier_stage_there_is_a_notice(
    settings: Configure, data: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write_corpus(tmp_path / "first", seconds=0.35)
    first = settings(data=f"audiofolder:{tmp_path / 'first'}", epochs=1)
    train(first, tmp_path / "one")
    shutil.rmtree(tmp_path / "first")
    config = replace(first, parent=str(tmp_path / "one"), data=f"audiofolder:{data}")
    result = train(replace(config, head_from="new"), tmp_path / "two")
    assert result.stage is not None
    earlier, own = result.stage["tests"]
    assert earlier["after"] is None
    assert "does not exist" in earlier["why"]
    assert any(earlier["why"] in record.message for record in caplog.records)
    assert earlier["before"]["accuracy"] == read_result(tmp_path / "one").test_metrics["accuracy"]
    assert own["before"] is None
    assert "the head is new" in own["why"]


@pytest.mark.thorough
@pytest.mark.parametrize("head_from", ["keep", "new"])
def test_recordings_with_labels_that_were_left_out_are_not_tested(
    settings: Configure,
    second: tuple[Path, RunResult],
    corpus: Path,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    head_from: str,
) -> None:
    folder, earlier = second  # it knows alarm, high and low; the data have high and low
    data = f"audiofolder:{corpus}"
    config = settings(parent=str(folder), data=data, common_labels=True, head_from=head_from)
    result = train(replace(config, backbone="", recipe="linear", epochs=1), tmp_path / "third")
    assert result.stage is not None
    first, middle, own = result.stage["tests"]
    assert [one["after"]["count"] for one in (first, middle, own)] == [6, 3, 6]
    if head_from == "keep":
        assert [one["before"]["count"] for one in (first, middle, own)] == [6, 3, 6]
    else:  # the parent was tested on alarms too
        assert earlier.stage is not None
        assert first["before"] == earlier.stage["tests"][0]["after"]
        assert middle["before"] is None
        assert "with other labels too" in middle["why"]
    caplog.clear()
    assert Trained.open(tmp_path / "third").evaluate(middle["data"])["count"] == 3
    left_out = "3 of 6 recordings are left out: the model was trained with --common-labels and"
    assert any(left_out in record.message for record in caplog.records)
