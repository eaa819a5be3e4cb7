"""A run that starts from another: its placements, its head, what is frozen, and its folder."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from ossicle.adapters.folder import TENSORS, read_folder
from ossicle.adapters.saving import read_tensors
from ossicle.errors import DataError, LabelError, RunError, SplitError
from ossicle.training.config import TrainConfig
from ossicle.training.folder import read_config
from ossicle.training.parent import open_parent
from ossicle.training.prepare import prepare
from ossicle.training.run import train
from ossicle.training.trained import Trained
from tones import PITCH_HZ, write_corpus, write_metadata

Configure = Callable[..., TrainConfig]


def tensors(folder: Path) -> dict[str, torch.Tensor]:
    return read_tensors(folder / TENSORS)[0]


def target(root: Path, *, names: dict[str, str] | None = None) -> str:
    """Write other recordings, with other names of labels, and return their data string."""
    rows = write_corpus(root, seconds=0.4)
    renamed = names or {}
    write_metadata(root, [(file, renamed.get(label, label), *rest) for file, label, *rest in rows])
    return f"audiofolder:{root}"


@pytest.fixture
def stage(settings: Configure, finished: Path, tmp_path: Path) -> Configure:
    """Return the configuration of a stage that starts from the finished run."""

    def configure(**changes: object) -> TrainConfig:
        data = None if "data" in changes else target(tmp_path / "target")
        given = {"parent": str(finished), "backbone": "", "recipe": "", "data": data, "epochs": 1}
        return settings(**{**given, **changes})

    return configure


def test_a_stage_starts_where_its_parent_ended_and_its_new_adapters_change_nothing(
    stage: Configure, finished: Path, settings: Configure
) -> None:
    run = prepare(stage(recipe="bottleneck(width=4)@ffn"))
    saved = tensors(finished)
    assert run.stage is not None
    assert run.stage.start.keys() == saved.keys() | run.stage.new_keys
    assert all(key.startswith("1/") for key in run.stage.new_keys)
    for key, value in saved.items():
        torch.testing.assert_close(run.model.tensors()[key].detach(), value, rtol=0, atol=0)
    assert run.stage.old_outputs == (0, 1)
    assert str(run.model.recipe) == "lora(dropout=0.3) + bottleneck(width=4)"

    parent = prepare(settings())
    with torch.no_grad():
        for key, parameter in parent.model.tensors().items():
            parameter.copy_(saved[key])
        values, lengths = run.model.backbone.batch([torch.randn(5000).numpy()])
        was, now = (one.model.eval()(values, lengths) for one in (parent, run))
    torch.testing.assert_close(now, was, rtol=0, atol=1e-6)


def test_what_is_frozen_keeps_its_bits_and_the_rest_trains(
    stage: Configure, finished: Path, tmp_path: Path
) -> None:
    config = stage(recipe="bottleneck(width=4)@ffn", freeze="lora@attn.q[0], head", epochs=2)
    train(config, tmp_path / "second")
    before, after = tensors(finished), tensors(tmp_path / "second")
    same = {key for key, value in before.items() if torch.equal(value, after[key])}
    assert same == {key for key in before if key.startswith(("0/0/attn.q/", "head/"))}
    assert len(same) == 4
    assert read_folder(tmp_path / "second").facts["expression"] == (
        "lora(dropout=0.3) + bottleneck(width=4)"
    )
    assert read_config(tmp_path / "second").recipe == "bottleneck(width=4)"


@pytest.mark.thorough
def test_the_original_is_not_needed_any_more(
    stage: Configure, finished: Path, tmp_path: Path
) -> None:
    original = tmp_path / "original"
    shutil.copytree(finished, original)
    second, third = tmp_path / "second", tmp_path / "third"
    config = stage(parent=str(original))
    result = train(config, second)
    train(stage(parent=str(second), data=config.data, recipe="bias"), third)
    shutil.rmtree(original)

    assert train(read_config(second), second, resume=True) == result
    names = [stage.facts["expression"] for stage in open_parent(third).stages]
    assert names == ["lora(dropout=0.3)", "lora(dropout=0.3)", "lora(dropout=0.3) + bias"]
    (third / "metrics.json").unlink()
    train(read_config(third), third, resume=True)


@pytest.mark.thorough
@pytest.mark.parametrize("copied", ["whole", "in part", "none"])
def test_an_interrupted_stage_resumes_to_the_same_bits(
    stage: Configure,
    finished: Path,
    interrupt: Callable[..., None],
    tmp_path: Path,
    copied: str,
) -> None:
    original = tmp_path / "original"
    shutil.copytree(finished, original)
    config = stage(parent=str(original), recipe="bottleneck(width=4)@ffn", freeze="lora@attn.v")
    config = replace(config, epochs=2)
    result = train(config, tmp_path / "whole")
    interrupt(config, tmp_path / "stopped", epoch=2)
    if copied == "whole":
        shutil.rmtree(original)
    else:  # as killed while the parent was being copied
        (tmp_path / "stopped/parent").rename(tmp_path / "stopped/.parent.part")
    if copied == "none":
        shutil.rmtree(tmp_path / "stopped/.parent.part")
    resumed = train(read_config(tmp_path / "stopped"), tmp_path / "stopped", resume=True)
    assert resumed.valid == result.valid
    assert resumed.test == result.test
    whole, stopped = tensors(tmp_path / "whole"), tensors(tmp_path / "stopped")
    assert all(torch.equal(whole[key], stopped[key]) for key in whole | stopped)
    assert not (tmp_path / "stopped/.parent.part").exists()
    open_parent(tmp_path / "stopped/parent")


@pytest.mark.thorough
def test_a_stage_is_moved_with_its_data(
    settings: Configure, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = tmp_path / "here"
    write_corpus(here / "first", seconds=0.35)
    write_corpus(here / "second", seconds=0.4)
    monkeypatch.chdir(here)
    first = settings(data="first", epochs=1)
    train(first, "runs/one")
    train(replace(first, parent="runs/one", data="second", backbone=""), "runs/two")
    shutil.rmtree(here / "runs/one")
    monkeypatch.chdir(tmp_path)
    here.rename(tmp_path / "there")
    trained = Trained.open(tmp_path / "there/runs/two")
    assert [trained.evaluate(data)["count"] for data in ("first", "second")] == [6, 6]
    with pytest.raises(DataError, match="neither a reader nor an existing folder"):
        trained.evaluate("third")


@pytest.mark.thorough
def test_the_backbone_of_a_parent_is_found_from_elsewhere(
    stage: Configure, backbone: str, finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    moved = tmp_path / "moved"
    moved.mkdir()
    (moved / "tiny").symlink_to(backbone)
    monkeypatch.chdir(moved)
    config = replace(read_config(finished), backbone="tiny", epochs=1)
    train(config, "one")
    monkeypatch.chdir(tmp_path)
    run = prepare(stage(parent="moved/one"))
    assert run.config.backbone == str(moved / "tiny")


def test_a_parent_on_another_backbone_is_refused(stage: Configure) -> None:
    with pytest.raises(RunError, match=r"was trained on '.*' \(fingerprint .*'tiny-hubert' \("):
        prepare(stage(backbone="tiny-hubert"))


def test_a_run_without_a_parent_needs_a_backbone_and_a_recipe() -> None:
    with pytest.raises(RunError, match="backbone, recipe missing"):
        prepare(TrainConfig(data="demo"))


def test_labels_that_differ_are_an_error_that_lists_those_of_each_side(
    stage: Configure, tmp_path: Path
) -> None:
    data = target(tmp_path / "other", names={"high": "shrill"})
    with pytest.raises(LabelError, match=r"only the data have shrill; only the parent has high\."):
        prepare(stage(data=data))


def test_an_extended_head_keeps_the_rows_of_its_old_outputs(
    stage: Configure, finished: Path, tmp_path: Path
) -> None:
    data = target(tmp_path / "other", names={"high": "alarm"})
    run = prepare(stage(data=data, head_from="extend"))
    assert run.task.output_names == ("alarm", "high", "low")
    assert run.stage is not None
    assert run.stage.old_outputs == (1, 2)
    saved, now = tensors(finished), run.model.tensors()
    for name in ("weight", "bias"):
        old, new = saved[f"head/linear.{name}"], now[f"head/linear.{name}"].detach()
        assert torch.equal(new[1:], old)
        assert not any(torch.equal(new[0], row) for row in old)


def test_only_common_labels_are_left(stage: Configure, tmp_path: Path) -> None:
    root = tmp_path / "other"
    rows = write_corpus(root, seconds=0.4, takes=4)
    names = ["high", "low", "middle", "low"]
    write_metadata(
        root,
        [(file, names[take % 4] if label == "low" else label, *rest)
         for take, (file, label, *rest) in enumerate(rows)],
    )  # fmt: skip
    run = prepare(stage(data=f"audiofolder:{root}", common_labels=True))
    assert run.task.output_names == ("high", "low")
    assert any("middle (3)" in notice for notice in run.dataset.notices)
    assert not any(one.label == "middle" for one in run.dataset.utterances)


def test_a_new_head_starts_from_the_seed(stage: Configure, finished: Path, tmp_path: Path) -> None:
    data = target(tmp_path / "other", names={name: name.upper() for name in PITCH_HZ})
    run = prepare(stage(data=data, head_from="new"))
    assert run.stage is not None
    assert run.stage.new_keys == {"head/linear.weight", "head/linear.bias"}
    assert run.stage.old_outputs == (None, None)
    assert not torch.equal(
        run.model.tensors()["head/linear.bias"], tensors(finished)["head/linear.bias"]
    )


def test_recordings_that_a_stage_was_trained_on_cannot_test_a_later_one(
    stage: Configure, corpus: Path, tmp_path: Path
) -> None:
    swapped = tmp_path / "swapped"
    shutil.copytree(corpus, swapped)
    metadata = swapped / "metadata.csv"
    text = metadata.read_text()
    for old, new in (("train", "TEST"), ("test", "train"), ("TEST", "test")):
        text = text.replace(f",{old}", f",{new}")
    metadata.write_text(text)
    with pytest.raises(SplitError, match=r"6 of the 6 test recordings .* trained an earlier stage"):
        prepare(stage(data=f"audiofolder:{swapped}"))


def test_a_stage_on_the_data_of_its_parent_is_allowed(stage: Configure, corpus: Path) -> None:
    prepare(stage(data=f"audiofolder:{corpus}"))


def test_the_stage_must_have_another_folder(stage: Configure, finished: Path) -> None:
    with pytest.raises(RunError, match="the folder of the run that it starts from"):
        train(stage(), finished)
