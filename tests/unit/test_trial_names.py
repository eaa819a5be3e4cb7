"""What changes the name of a trial, and what does not."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from decoders import WHOLE
from ossicle.recipes.recipe import Recipe
from ossicle.training.config import TrainConfig
from ossicle.trials.code import meaning
from ossicle.trials.naming import Naming
from ossicle.trials.trial import Trial
from tones import write_tone

Named = Callable[..., str]


@pytest.fixture(scope="module")
def naming() -> Naming:
    return Naming()


@pytest.fixture
def named(naming: Naming, backbone: str, corpus: Path) -> Named:
    """Return the name of a trial with changed settings."""
    config = TrainConfig(backbone=backbone, recipe="lora", data=f"audiofolder:{corpus}")

    def name(**changes: object) -> str:
        return naming.name(Trial(config=replace(config, **changes), labels={}))

    return name


def copied(corpus: Path, folder: Path) -> str:
    shutil.copytree(corpus, folder)
    return f"audiofolder:{folder}"


def test_a_name_has_sixteen_hexadecimal_digits(named: Named) -> None:
    assert int(named(), 16) >= 0
    assert len(named()) == 16


@pytest.mark.parametrize(
    "change",
    [
        {"seed": 1},
        {"epochs": 3},
        {"recipe": "lora(rank=4)"},
        {"head": "attention"},
        {"data": "demo"},
        {"backbone": "tiny-hubert"},
        {"shots": 2},
        {"fold": "1/3"},
        {"precision": "bfloat16"},
    ],
    ids=lambda change: next(iter(change)),
)
def test_a_setting_that_decides_the_result_changes_the_name(
    named: Named, change: dict[str, object]
) -> None:
    assert named(**change) != named()


@pytest.mark.thorough
def test_weights_of_a_decoder_change_the_names_of_tasks_that_write_text(
    named: Named, tmp_path: Path
) -> None:
    backbone = WHOLE["whisper"]()
    backbone.save(tmp_path / "one")
    with torch.no_grad():
        backbone.model.decoder.layer_norm.weight.add_(1.0)
    backbone.save(tmp_path / "other")
    one, other = str(tmp_path / "one"), str(tmp_path / "other")
    writes = {"task": "seq2seq(language=none)"}
    assert named(backbone=one, **writes) != named(backbone=other, **writes)
    assert named(backbone=one) == named(backbone=other)


def test_what_cannot_change_the_result_does_not_change_the_name(
    named: Named, naming: Naming, backbone: str, corpus: Path, tmp_path: Path
) -> None:
    written_out = str(Recipe.parse("lora"))
    (tmp_path / "r.toml").write_text('[[placements]]\nmethod = "lora"\n', encoding="utf-8")
    for same in (
        {"track": "none"},
        {"task": "classification"},
        {"recipe": written_out},
        {"recipe": str(tmp_path / "r.toml")},
        {"data": copied(corpus, tmp_path / "moved")},
    ):
        assert named(**same) == named(), same
    config = TrainConfig(backbone=backbone, recipe="lora", data=f"audiofolder:{corpus}")
    assert naming.name(Trial(config=config, labels={"recipe": "a", "seed": 0})) == named()


def test_other_sound_or_another_label_changes_the_name(
    named: Named, corpus: Path, tmp_path: Path
) -> None:
    sound, label = copied(corpus, tmp_path / "sound"), copied(corpus, tmp_path / "label")
    write_tone(tmp_path / "sound" / "anna-low-0.wav", "low", 0.31, seed=99)
    table = tmp_path / "label" / "metadata.csv"
    table.write_text(table.read_text().replace("anna-low-0.wav,low", "anna-low-0.wav,high"))
    names = {named(), named(data=sound), named(data=label)}
    assert len(names) == 3


def test_what_is_chosen_renamed_or_joined_changes_the_name(
    named: Named, corpus: Path, tmp_path: Path
) -> None:
    other, moved = copied(corpus, tmp_path / "other"), copied(corpus, tmp_path / "moved")
    write_tone(tmp_path / "other" / "anna-low-0.wav", "low", 0.31, seed=99)
    data = f"audiofolder:{corpus}"
    specs = (
        *(data, f"{data}?map=low=high,high=low", f"{data}?map=low=deep"),
        *(f"{data} + demo?label=manner", f"{data} + demo?label=manner&where=manner=calm"),
    )
    assert len({named(data=spec) for spec in specs}) == 5
    assert named(data=f"{moved} + demo?label=manner") == named(data=specs[3])
    assert named(data=f"{other} + demo?label=manner") != named(data=specs[3])


def test_settings_of_the_runner_and_of_the_backbone_change_the_name(naming: Naming) -> None:
    config = TrainConfig(backbone="tiny-ast", recipe="linear", data="demo")
    trials = [
        Trial(config=config, labels={}),
        Trial(config=config, labels={}, settings={"steps": 3}),
        Trial(config=replace(config, backbone="tiny-ast?length=own"), labels={}),
    ]
    assert len({naming.name(trial) for trial in trials}) == 3


def test_comments_and_docstrings_are_not_part_of_the_code_that_counts() -> None:
    before = '"""About."""\n\ndef f(x: int) -> int:\n    """Add one."""\n    return x + 1\n'
    after = '"""More."""\n\n# why\ndef f(x: int) -> int:\n    return x + 1\n'
    assert meaning(before) == meaning(after)
    assert meaning(before) != meaning(after.replace("x + 1", "x + 2"))
    assert meaning("X = 'a'\n") != meaning("X = 'b'\n")


def test_a_measurement_without_recordings_reads_none(naming: Naming) -> None:
    config = TrainConfig(backbone="tiny-hubert", recipe="", data="no such data")
    assert len(naming.name(Trial(config=config, labels={}, runner="cost"))) == 16
