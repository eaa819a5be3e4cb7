"""Adapter folders: contents, and every way in which they can be wrong."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from ossicle.adapters.check import attach
from ossicle.adapters.folder import FACTS, TENSORS, read_folder
from ossicle.adapters.model import AdaptedModel
from ossicle.adapters.saving import load, read_tensors, save, serialise_with_digest
from ossicle.backbones import load_backbone
from ossicle.checksums import DIGEST, seal
from ossicle.errors import (
    AdapterFileError,
    AttachError,
    BackboneError,
    RecipeError,
    RecipeMismatch,
    RunError,
)
from ossicle.heads import build_head
from ossicle.recipes.recipe import Recipe

RECIPE = "lora(rank=2)@attn.q,ffn.in[0] + norm@norm.input"


@pytest.fixture
def backbone(build):
    return build("hubert")


@pytest.fixture
def model(build) -> AdaptedModel:
    backbone = build("hubert")
    model = attach(backbone, Recipe.parse(RECIPE), build_head("mean", backbone.anatomy, 2)).eval()
    with torch.no_grad():
        for tensor in model.trainable().values():
            tensor += torch.randn_like(tensor)
    return model


@pytest.fixture
def folder(model, tmp_path) -> Path:
    path = tmp_path / "saved"
    save(model, path, task={"name": "classification", "labels": ["a", "ü"]})
    return path


def edit(folder: Path, **changes) -> None:
    """Change entries of recipe.json and its hash; a value of None removes one."""
    facts = json.loads((folder / FACTS).read_text()) | changes
    del facts[DIGEST]
    kept = {key: value for key, value in facts.items() if key not in changes or value is not None}
    (folder / FACTS).write_text(json.dumps(seal(kept)))


def test_a_folder_holds_two_files_and_tensors_named_by_site(folder):
    assert sorted(file.name for file in folder.iterdir()) == [TENSORS, FACTS]
    assert {key: tuple(value.shape) for key, value in load_file(folder / TENSORS).items()} == {
        "0/0/attn.q/down": (2, 64),
        "0/0/attn.q/up": (64, 2),
        "0/0/ffn.in/down": (2, 64),
        "0/0/ffn.in/up": (96, 2),
        "1/-/norm.input/gain": (64,),
        "1/-/norm.input/shift": (64,),
        "head/linear.weight": (2, 64),
        "head/linear.bias": (2,),
    }


def test_recipe_json_says_what_it_is(folder, backbone):
    facts = json.loads((folder / FACTS).read_text())
    tensors = facts.pop("tensors")
    assert tensors["0/0/ffn.in/up"] == [96, 2]
    assert facts.pop("ossicle")
    assert len(facts.pop(DIGEST)) == 32
    assert facts == {
        "format": 2,
        "backbone": {
            "name": "tiny",
            "family": "hubert",
            "layers": 2,
            "width": 64,
            "fingerprint": backbone.fingerprint,
        },
        "recipe": Recipe.parse(RECIPE).to_dict(),
        "expression": "lora(rank=2)@attn.q,ffn.in[0] + norm@norm.input",
        "head": {"name": "mean", "outputs": 2},
        "task": {"name": "classification", "labels": ["a", "ü"]},
    }


def test_a_folder_is_described_without_reading_a_tensor(folder):
    opened = read_folder(folder)
    assert opened.path == folder
    assert opened.shapes["head/linear.bias"] == (2,)
    assert opened.num_bytes == (folder / TENSORS).stat().st_size


@torch.no_grad()
def test_saving_again_replaces_both_files(model, folder, build, noise):
    inputs = model.backbone.batch(noise(4000))
    model.head.linear.bias += 1.0
    save(model, folder)
    assert json.loads((folder / FACTS).read_text())["task"] == {}
    assert torch.equal(load(folder, build("hubert"))(*inputs), model(*inputs))
    assert sorted(file.name for file in folder.iterdir()) == [TENSORS, FACTS]


def test_a_set_can_be_saved_by_its_name_alone(model, tmp_path, build):
    model.add("other", Recipe.parse("bias@attn.v"))
    model.use("default", "other")
    with pytest.raises(AttachError, match="no adapter set 'third'; available: default, other"):
        save(model, tmp_path / "both", name="third")
    for name, recipe in (("default", RECIPE), ("other", "bias@attn.v")):
        save(model, tmp_path / name, name=name)
        loaded = load(tmp_path / name, build("hubert"))
        assert str(loaded.recipe) == recipe
        saved = model.find(name).tensors(model.backbone)
        found = loaded.trainable()
        assert found.keys() == saved.keys()
        assert all(torch.equal(found[key], value) for key, value in saved.items())
    with pytest.raises(AttachError, match="adapter set 'default' has no head; give add"):
        loaded(*loaded.backbone.batch([torch.zeros(4000).numpy()]))


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_weights_that_are_not_finite_are_neither_saved_nor_loaded(model, folder, build, value):
    tensors = load_file(folder / TENSORS)
    tensors["0/0/attn.q/down"][1, 5] = value
    change_tensors(folder, **tensors)
    message = r"weights that are NaN or infinite, in 0/0/attn\.q/down: its training has diverged"
    with pytest.raises(AdapterFileError, match=message):
        load(folder, build("hubert"))
    with torch.no_grad():
        model.trainable()["0/0/attn.q/down"][1, 5] = value
    with pytest.raises(AdapterFileError, match=message):
        save(model, folder.parent / "again")
    assert not (folder.parent / "again").exists()


@pytest.mark.parametrize("outputs", [131, 10**9, 2**62])
def test_a_head_cannot_have_more_outputs_than_the_file_has_numbers(folder, backbone, outputs):
    edit(folder, head={"name": "mean", "outputs": outputs})
    message = f"the head has {outputs} outputs, but adapter.safetensors holds 130 numbers of a head"
    with pytest.raises(AdapterFileError, match=message):
        load(folder, backbone)


@pytest.mark.parametrize("length", [10**9, 2**62])
def test_a_recipe_is_compared_with_the_file_before_anything_is_built(folder, backbone, length):
    placement = {"method": "prompt", "at": ["encoder"], "settings": {"length": length}}
    edit(folder, recipe={"placements": [placement]})
    with pytest.raises((RecipeMismatch, RecipeError)):  # MemoryError, if it were built
        load(folder, backbone)


def test_a_loaded_model_is_active_and_in_evaluation_mode(folder, backbone):
    loaded = load(folder, backbone)
    assert loaded.active == ("default",)
    assert not loaded.training
    assert all(not module.training for module in loaded.modules())


def test_a_folder_names_its_backbone(tmp_path):
    name = "config:tiny-hubert?num_hidden_layers=1"
    save(attach(load_backbone(name), Recipe.parse("lora")), tmp_path)
    assert load(str(tmp_path)).backbone.name == name
    with pytest.raises(BackboneError, match="no architecture 'tiny-huber'"):
        load(tmp_path, "config:tiny-huber")


def test_weights_stored_in_half_precision_are_the_same_backbone(folder, build):
    backbone = build("hubert")
    backbone.model.half().float()
    backbone.fingerprint = backbone._fingerprint()
    assert load(folder, backbone)


def test_a_missing_folder_says_so(tmp_path):
    with pytest.raises(AdapterFileError, match=r"not an adapter folder: there is no such folder"):
        load(tmp_path / "nowhere")


def test_a_folder_of_something_else_says_so(tmp_path):
    with pytest.raises(AdapterFileError, match=r"is not an adapter folder: it has no recipe\.json"):
        load(tmp_path)


def test_a_folder_without_tensors_says_how_to_finish(folder):
    (folder / TENSORS).unlink()
    with pytest.raises(AdapterFileError, match=r"has no adapter\.safetensors\. A run writes it af"):
        load(folder)


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xff", b'{"a": 1'])
def test_a_damaged_recipe_says_so(folder, content):
    (folder / FACTS).write_bytes(content)
    with pytest.raises(AdapterFileError, match=r"recipe\.json' cannot be read"):
        load(folder)


@pytest.mark.parametrize("found", [1, 3, "2", None])
def test_another_format_says_so(folder, found):
    edit(folder, format=found)
    with pytest.raises(AdapterFileError, match=r"has format .*; this version of ossicle reads f"):
        load(folder)


@pytest.mark.parametrize("content", ["[]", "3", "null", '"text"'])
def test_json_that_is_not_an_object_is_refused(folder, content):
    (folder / FACTS).write_text(content)
    with pytest.raises(AdapterFileError, match=r"cannot be read: its top level is .*; exp"):
        load(folder)


@pytest.mark.parametrize(
    "entry", ["ossicle", "backbone", "recipe", "expression", "head", "task", "tensors"]
)
def test_a_missing_entry_is_named(folder, entry):
    edit(folder, **{entry: None})
    with pytest.raises(AdapterFileError, match=f"is damaged: the entry '{entry}' is missing"):
        load(folder)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"backbone": []}, r"is damaged: backbone is \[\]; expected an object. Copy it"),
        ({"recipe": "lora"}, "recipe is 'lora'; expected an object"),
        ({"task": 3}, "task is 3; expected an object"),
        ({"tensors": []}, r"tensors is \[\]; expected an object"),
        ({"recipe": {}}, "the entry 'placements' is missing in recipe"),
        ({"recipe": {"placements": [{"method": "lora"}]}}, "'at' is missing in recipe.placements"),
        (
            {"recipe": {"placements": [{"at": ["attn.q"], "method": 3}]}},
            r"\.method is 3; expected a text",
        ),
        ({"head": "mean"}, "head is 'mean'; expected an object or null"),
        ({"head": {"name": "mean"}}, "the entry 'outputs' is missing in head"),
        (
            {"head": {"name": "mean", "outputs": "two"}},
            "head.outputs is 'two'; expected a whole number",
        ),
        (
            {"head": {"name": "mean", "outputs": 0}},
            "head.outputs is 0; expected a whole number, 1 or more",
        ),
        ({"head": {"name": ["mean"], "outputs": 2}}, "head.name is .*; expected a text"),
        (
            {"tensors": {"0/0/attn.q/down": 3}},
            "an entry of tensors, '0/0/attn.q/down', is a whole number; expected a list",
        ),
        (
            {"tensors": {"0/0/attn.q/down": "x"}},
            "an entry of tensors, '0/0/attn.q/down', is a text; expected a list",
        ),
        (
            {"tensors": {"0/0/attn.q/down": [2.5]}},
            r"an entry of tensors is a number at \[0\]; expected a whole number",
        ),
        ({"backbone": {"name": 5}}, "backbone.name is 5; expected a text"),
    ],
)
def test_an_entry_of_the_wrong_type_is_a_damaged_file(folder, changes, message):
    edit(folder, **changes)
    with pytest.raises(AdapterFileError, match=message):
        load(folder)


@pytest.mark.parametrize(
    "key",
    ["../../x", "/etc/passwd", "0/0/../x", "0/0/attn.q/../../x", "c:\\x", "", "head", "a/b/c/d"],
)
def test_a_hostile_key_is_refused(folder, key):
    tensors = json.loads((folder / FACTS).read_text())["tensors"]
    edit(folder, tensors=tensors | {key: [1]})
    with pytest.raises(AdapterFileError, match="not one of a site; do not trust this folder"):
        load(folder)


@pytest.mark.parametrize("kept", [0, 4, 8, 100, -1])
def test_a_truncated_file_is_damaged(folder, backbone, kept):
    file = folder / TENSORS
    file.write_bytes(file.read_bytes()[:kept])
    with pytest.raises(AdapterFileError, match=r"adapter\.safetensors' is damaged \(.*\); copy it"):
        load(folder, backbone)


def test_one_flipped_byte_is_noticed_wherever_it_is(folder):
    file = folder / TENSORS
    content = file.read_bytes()
    for place in [*range(0, 1000, 13), *range(len(content) - 5, len(content))]:
        damaged = bytearray(content)
        damaged[place] ^= 0x20
        file.write_bytes(damaged)
        with pytest.raises(AdapterFileError):
            read_whole(folder)


def read_whole(folder: Path) -> None:
    read_folder(folder)
    read_tensors(folder / TENSORS)


def test_a_changed_type_of_number_is_noticed(folder, backbone):
    file = folder / TENSORS
    file.write_bytes(file.read_bytes().replace(b'"F32"', b'"I32"', 1))
    with pytest.raises(AdapterFileError, match="its content does not match its hash"):
        load(folder, backbone)


def change_tensors(folder: Path, **changes) -> None:
    tensors = load_file(folder / TENSORS)
    for key, value in changes.items():
        if value is None:
            del tensors[key]
        else:
            tensors[key] = value
    (folder / TENSORS).write_bytes(b"".join(serialise_with_digest(tensors)))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"head/linear.bias": None}, "head/linear.bias is missing"),
        ({"0/1/attn.q/up": torch.zeros(64, 2)}, r"0/1/attn.q/up is not in recipe\.json"),
        ({"head/linear.bias": torch.zeros(3)}, r"linear.bias has shape \[3\] instead of \[2\]"),
    ],
)
def test_tensors_that_do_not_agree_with_the_recipe_are_named(folder, backbone, changes, message):
    change_tensors(folder, **changes)
    with pytest.raises(AdapterFileError, match=message):
        load(folder, backbone)


def test_a_file_without_a_hash_is_damaged(folder, backbone):
    save_file(load_file(folder / TENSORS), folder / TENSORS)
    with pytest.raises(AdapterFileError, match="its content does not match its hash"):
        load(folder, backbone)


def test_a_recipe_that_was_edited_does_not_fit_the_tensors(folder, build):
    edit(folder, recipe=Recipe.parse("lora(rank=3)@attn.q,ffn.in[0] + norm@norm.input").to_dict())
    with pytest.raises(RecipeMismatch, match=r"4 tensors of .* recipe\.json may have been edited"):
        load(folder, build("hubert"))
    edit(folder, recipe=Recipe.parse("lora(rank=2)@attn.q").to_dict())
    with pytest.raises(RecipeMismatch, match=r"do not fit its recipe on this backbone, the first"):
        load(folder, build("hubert"))
    edit(folder, recipe={"placements": [{"method": "lroa", "at": ["attn.q"]}]})
    with pytest.raises(RecipeError, match="no recipe or method 'lroa'"):
        load(folder, build("hubert"))


def test_a_file_with_another_head_is_an_error(folder, backbone):
    edit(folder, head={"name": "meen", "outputs": 2})
    with pytest.raises(RecipeError, match="no head 'meen'"):
        load(folder, backbone)


@pytest.mark.parametrize(
    ("kind", "changed", "message"),
    [
        ("wavlm", {}, r"was trained on hubert, 2 layers of width 64; this backbone is wavlm, 2 of"),
        ("hubert", {"hidden_size": 32}, "this backbone is hubert, 2 of 32. Load 'tiny', which"),
        ("hubert", {"num_hidden_layers": 3}, "this backbone is hubert, 3 of 64"),
        ("hubert", {"seed": 1}, "with other weights .fingerprint [0-9a-f]{16}. than those of 'ti"),
    ],
)
def test_another_backbone_is_refused(build, folder, kind, changed, message):
    with pytest.raises(RecipeMismatch, match=message):
        load(folder, build(kind, **changed))


def test_a_second_folder_does_not_go_on_a_backbone_in_use(folder, backbone):
    load(folder, backbone)
    with pytest.raises(AttachError, match="carries the adapters of another AdaptedModel"):
        load(folder, backbone)


def test_a_folder_that_cannot_be_written_says_so(model, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(RunError, match=r"file' cannot be written: .* choose another folder"):
        save(model, tmp_path / "file")
    with pytest.raises(RunError, match="cannot be written"):
        save(model, tmp_path / "file" / "below")
    assert (tmp_path / "file").read_text() == "in the way"


def test_nothing_is_left_behind_where_writing_fails(model, tmp_path):
    (tmp_path / TENSORS).mkdir()
    with pytest.raises(RunError, match=r"adapter\.safetensors' cannot be written"):
        save(model, tmp_path)
    assert sorted(file.name for file in tmp_path.iterdir()) == [TENSORS, FACTS]


@pytest.mark.parametrize("sites", ["backbone", "encoder", "features,projection,layer"])
@torch.no_grad()
def test_what_was_trained_in_place_is_loaded_in_place(build, kind, sites, tmp_path, noise):
    there = [site for site in sites.split(",") if site in build(kind).anatomy.site_names]
    layers = "[-1:]" if "layer" in there else ""
    model = attach(build(kind), Recipe.parse(f"full@{','.join(there)}{layers}")).eval()
    for tensor in model.trainable().values():
        tensor += torch.randn_like(tensor) * 0.1
    save(model, tmp_path)
    loaded = load(tmp_path, build(kind))
    inputs = model.backbone.batch(noise(4000))
    assert torch.equal(loaded.encode(*inputs).hidden, model.encode(*inputs).hidden)
    assert not torch.equal(loaded.encode(*inputs).hidden, build(kind)(*inputs).hidden)
