"""The hash of a backbone's weights is remembered for as long as its files are unchanged."""

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from ossicle import files
from ossicle.adapters.check import attach
from ossicle.adapters.merge import merge
from ossicle.backbones import Backbone, load_backbone
from ossicle.frozen.cache import digest
from ossicle.frozen.database import FILE
from ossicle.frozen.weights import loaded_digest, weights_digest
from ossicle.recipes.recipe import Recipe

PLANTED = "0" * 32


@pytest.fixture
def folder(build: Callable[..., Backbone], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A saved backbone, whose files count as old enough."""
    monkeypatch.setattr(files, "RACY_NS", 0)
    build("hubert").save(tmp_path / "model")
    return tmp_path / "model"


def plant(cache: Path, *, checksum: str | None = None) -> None:
    """Replace the remembered hash by another, to see whether it is what is returned."""
    with closing(sqlite3.connect(cache / FILE)) as db:
        ((key,),) = db.execute("SELECT key FROM weights").fetchall()
        row = (PLANTED, checksum or digest(key, PLANTED))
        db.execute("UPDATE weights SET digest = ?, checksum = ?", row)
        db.commit()


def test_the_second_load_of_the_same_files_reads_the_remembered_hash(
    folder: Path, tmp_path: Path
) -> None:
    backbone = load_backbone(str(folder))
    assert loaded_digest(backbone, tmp_path) == weights_digest(backbone)
    plant(tmp_path)
    assert loaded_digest(load_backbone(str(folder)), tmp_path) == PLANTED


def test_a_damaged_row_is_computed_again_and_replaced(folder: Path, tmp_path: Path) -> None:
    backbone = load_backbone(str(folder))
    first = loaded_digest(backbone, tmp_path)
    plant(tmp_path, checksum="of something else")
    assert loaded_digest(backbone, tmp_path) == first
    plant(tmp_path)  # fails unless there is one row
    assert loaded_digest(backbone, tmp_path) == PLANTED


def test_changed_weights_of_the_same_size_and_time_have_another_hash(
    folder: Path, tmp_path: Path
) -> None:
    first = loaded_digest(load_backbone(str(folder)), tmp_path)
    file = folder / "model.safetensors"
    before, tensors = file.stat(), load_file(file)
    save_file({name: value + 0.5 for name, value in tensors.items()}, file, {"format": "pt"})
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert file.stat().st_size == before.st_size
    changed = load_backbone(str(folder))
    assert loaded_digest(changed, tmp_path) == weights_digest(changed) != first


def test_a_file_that_changed_after_it_was_read_is_not_remembered(
    folder: Path, tmp_path: Path
) -> None:
    backbone = load_backbone(str(folder))
    (folder / "model.safetensors").touch()
    loaded_digest(backbone, tmp_path)
    with closing(sqlite3.connect(tmp_path / FILE)) as db:
        assert db.execute("SELECT COUNT(*) FROM weights").fetchone() == (0,)


def test_files_that_have_just_changed_are_not_remembered(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "RACY_NS", 60 * 10**9)
    loaded_digest(load_backbone(str(folder)), tmp_path)
    with closing(sqlite3.connect(tmp_path / FILE)) as db:
        assert db.execute("SELECT COUNT(*) FROM weights").fetchone() == (0,)


@pytest.mark.parametrize("length", ["", "?length=own"])
def test_other_settings_of_the_same_files_have_another_hash(length: str, tmp_path: Path) -> None:
    backbone = load_backbone(f"tiny-ast{length}")
    loaded_digest(load_backbone("tiny-ast"), tmp_path)
    loaded_digest(load_backbone("tiny-ast?length=own"), tmp_path)
    assert loaded_digest(backbone, tmp_path) == weights_digest(backbone)


def test_weights_that_were_not_just_loaded_are_never_looked_up(
    folder: Path, tmp_path: Path
) -> None:
    backbone = load_backbone(str(folder))
    loaded_digest(backbone, tmp_path)
    plant(tmp_path)
    model = attach(backbone, Recipe.parse("bias@ffn.out"))
    with torch.no_grad():
        for value in model.tensors().values():
            value.add_(0.5)
    merged = merge(model)
    assert merged.weight_files == ()
    for one in (backbone, merged):
        assert loaded_digest(one, tmp_path) == weights_digest(one)
    one, other = (
        load_backbone(
            f"config:hubert-base?num_hidden_layers=1&hidden_size=24&"
            f"num_attention_heads=2&intermediate_size=8&num_conv_pos_embedding_groups=2&seed={seed}"
        )
        for seed in (0, 1)
    )
    assert loaded_digest(one, tmp_path) != loaded_digest(other, tmp_path)
