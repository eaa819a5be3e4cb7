"""Adapters of peft written by hand: with the entries that each version wrote, and with mistakes.

The entries of `adapter_config.json` and the names of tensors are those that these versions of peft
saved on transformers' HuBERT (AST: transformers 4.57), as seen in their files.
"""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from typer.testing import CliRunner

from kinds import KINDS
from ossicle.adapters.check import attach
from ossicle.adapters.folder import read_folder
from ossicle.adapters.saving import load, save
from ossicle.backbones import FAMILIES, load_backbone, random_backbone
from ossicle.backbones.whole_whisper import WholeWhisper
from ossicle.cli.main import app
from ossicle.convert.peft.file import PeftFile, check_peft
from ossicle.convert.peft.lora import scale_of
from ossicle.convert.peft.read import import_peft
from ossicle.convert.peft.write import export_peft
from ossicle.errors import AdapterFileError, ExportError, RecipeMismatch, RunError
from ossicle.recipes.recipe import Recipe

V4 = {  # 0.4.0; `layers_pattern` and `revision` were new in it
    "auto_mapping": {"base_model_class": "HubertModel", "parent_library": "transformers"},
    "base_model_name_or_path": "hubert",
    "bias": "none",
    "fan_in_fan_out": False,
    "inference_mode": True,
    "init_lora_weights": True,
    "layers_pattern": None,
    "layers_to_transform": None,
    "lora_alpha": 12,
    "lora_dropout": 0.0,
    "modules_to_save": None,
    "peft_type": "LORA",
    "r": 2,
    "revision": None,
    "target_modules": ["q_proj"],
    "task_type": None,
}
V6 = {**V4, "alpha_pattern": {}, "rank_pattern": {}}
V7 = {**V6, "loftq_config": {}, "megatron_config": None, "megatron_core": "megatron.core"}
V8 = {**V7, "use_rslora": False}
V10 = {**V8, "layer_replication": None, "use_dora": False}
V15 = {
    **V10,
    "corda_config": None,
    "eva_config": None,
    "exclude_modules": None,
    "lora_bias": False,
    "trainable_token_indices": None,
}
V18 = {
    **V15,
    "alora_invocation_tokens": None,
    "arrow_config": None,
    "ensure_weight_tying": False,
    "peft_version": "0.18.0",
    "qalora_group_size": 16,
    "target_parameters": None,
    "use_qalora": False,
}
VERSIONS = {"0.4": V4, "0.6": V6, "0.7": V7, "0.8": V8, "0.10": V10, "0.15": V15, "0.18": V18}
QUERY = "encoder.layers.1.attention.q_proj"
DOWN, UP = torch.randn(2, 64), torch.randn(64, 2)
LORA = {f"{QUERY}.lora_A.weight": DOWN, f"{QUERY}.lora_B.weight": UP}


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    """Function from a kind to the folder of a tiny backbone."""
    made: dict[str, Path] = {}

    def folder(kind: str) -> str:
        if kind not in made:
            name, form = KINDS[kind]
            made[kind] = tmp_path_factory.mktemp("base") / kind
            family = FAMILIES[name]
            random_backbone(family, {**family.tiny(), **form}, "tiny").save(made[kind])
        return str(made[kind])

    return folder


def written(folder: Path, config: dict, tensors: dict) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "adapter_config.json").write_text(json.dumps(config))
    named = {f"base_model.model.{key}": value.contiguous() for key, value in tensors.items()}
    save_file(named, folder / "adapter_model.safetensors")
    return folder


@pytest.mark.parametrize("config", VERSIONS.values(), ids=VERSIONS)
@pytest.mark.thorough
def test_lora_of_every_version_is_read(config, base, tmp_path):
    source = written(tmp_path / "peft", config, LORA)
    found = import_peft(source, base("hubert"), tmp_path / "run")
    assert str(found.recipe) == "lora(rank=2, alpha=12.0)@attn.q[1]"
    assert found.head is None
    assert found.notices == ()
    tensors = load(tmp_path / "run").tensors()
    assert tensors.keys() == {"0/1/attn.q/down", "0/1/attn.q/up"}
    assert torch.equal(tensors["0/1/attn.q/down"], DOWN)
    assert torch.equal(tensors["0/1/attn.q/up"], UP)


@pytest.mark.parametrize("inner", ["", ".base_layer"], ids=["before 0.7", "since 0.7"])
@pytest.mark.thorough
def test_a_bias_is_kept_as_its_difference(inner, base, tmp_path):
    own = load_bias(base("hubert"))
    tensors = {**LORA, f"{QUERY}{inner}.bias": own + 0.5}
    source = written(tmp_path / "peft", {**V6, "bias": "lora_only"}, tensors)
    found = import_peft(source, base("hubert"), tmp_path / "run")
    assert str(found.recipe) == "bias@attn.q[1] + lora(rank=2, alpha=12.0)@attn.q[1]"
    made = load(tmp_path / "run").tensors()["0/1/attn.q/bias"]
    torch.testing.assert_close(made.detach(), torch.full((64,), 0.5))
    assert found.notices == ()


@pytest.mark.thorough
def test_biases_that_peft_does_not_save_are_told(base, tmp_path):
    source = written(tmp_path / "peft", {**V7, "bias": "lora_only"}, LORA)
    found = import_peft(source, base("hubert"), tmp_path / "run")
    assert "since version 0.7, peft trains them and does not save them" in found.notices[0]


def load_bias(folder: str) -> torch.Tensor:
    return load_file(Path(folder) / "model.safetensors")[f"{QUERY}.bias"]


def file_with(**settings):
    """Return a file with these settings of LoRA, of which the scale is computed."""
    return PeftFile(Path("peft"), {**V18, **settings}, {})


def test_the_scale_follows_from_alpha_rank_and_patterns():
    path = "hubert.encoder.layers.1.attention.q_proj"
    assert scale_of(file_with(), path, 2) == (6.0, 12.0)
    assert scale_of(file_with(use_rslora=True), path, 4) == (6.0, None)  # 12 / sqrt(4)
    for pattern in ("q_proj", "layers.1.attention.q_proj", r"layers\.\d+\.attention\.q_proj", path):
        assert scale_of(file_with(alpha_pattern={pattern: 5}), path, 2) == (2.5, 5.0)
    for pattern in ("proj", "1.attention", "layers.11.attention.q_proj"):
        assert scale_of(file_with(alpha_pattern={pattern: 5}), path, 2) == (6.0, 12.0)
    both = {"attention.q_proj": 3, "q_proj": 5}  # the first that matches
    assert scale_of(file_with(alpha_pattern=both), path, 2) == (1.5, 3.0)
    with pytest.raises(AdapterFileError, match=r"'\(', which is not a regular expression"):
        scale_of(file_with(alpha_pattern={"(": 5}), path, 2)


@pytest.mark.thorough
def test_ast_of_transformers_4_is_read(base, tmp_path):
    top = "audio_spectrogram_transformer.encoder.layer.1"
    names = {
        "attention.attention.query": "attn.q",
        "attention.attention.key": "attn.k",
        "attention.attention.value": "attn.v",
        "attention.output.dense": "attn.o",
        "intermediate.dense": "ffn.in",
        "output.dense": "ffn.out",
    }
    widths = {"intermediate.dense": (64, 96), "output.dense": (96, 64)}
    tensors = {}
    for number, name in enumerate(names):
        first, last = widths.get(name, (64, 64))
        tensors[f"{top}.{name}.lora_A.weight"] = torch.full((2, first), float(number))
        tensors[f"{top}.{name}.lora_B.weight"] = torch.full((last, 2), float(number))
    source = written(tmp_path / "peft", {**V15, "target_modules": "all-linear"}, tensors)
    import_peft(source, base("ast"), tmp_path / "run")
    made = load(tmp_path / "run").tensors()
    for number, site in enumerate(names.values()):
        assert (made[f"0/1/{site}/down"] == number).all()
    assert len(made) == 2 * len(names)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"peft_type": "ADALORA"}, "type 'ADALORA', and ossicle has no equal of that; it imports"),
        ({"peft_type": "VERA"}, "type 'VERA'"),
        ({"peft_type": None}, "type None"),
        ({"use_dora": True}, "a LORA adapter with DoRA, which ossicle does not have"),
        ({"lora_bias": True}, "with lora_bias=True"),
        ({"layer_replication": [[0, 1]]}, r"with layer_replication=\[\[0, 1\]\]"),
        ({"some_new_variant": {"on": 1}}, "with some_new_variant="),
        ({"init_lora_weights": "pissa"}, "initialised with 'pissa', which changes the weights"),
    ],
)
def test_what_ossicle_lacks_is_refused_by_name(settings, message, tmp_path):
    source = written(tmp_path / "peft", {**V18, **settings}, LORA)
    with pytest.raises(AdapterFileError, match=message):
        check_peft(source)


def test_pickled_and_missing_files_are_refused(tmp_path):
    with pytest.raises(AdapterFileError, match="there is no such folder"):
        check_peft(tmp_path / "none")
    source = written(tmp_path / "peft", V18, LORA)
    (source / "adapter_model.safetensors").rename(source / "adapter_model.bin")
    with pytest.raises(AdapterFileError, match=r"adapter_model.bin, a pickled file, which can run"):
        check_peft(source)
    (source / "adapter_model.bin").unlink()
    with pytest.raises(AdapterFileError, match=r"has no adapter_model.safetensors; copy"):
        check_peft(source)
    (source / "adapter_config.json").write_text("{")
    with pytest.raises(AdapterFileError, match="cannot be read"):
        check_peft(source)


BAD = {
    "another model": (
        {f"wavlm.{key}": value for key, value in LORA.items()},
        r"\(hubert\) has no such module; its own have names like 'encoder.layers.0.attention.q_p",
    ),
    "half a pair": ({f"{QUERY}.lora_A.weight": DOWN}, "is not a plain LoRA of linear layers"),
    "DoRA's tensor": (
        {**LORA, f"{QUERY}.lora_magnitude_vector": UP[:, 0]},
        "not a plain LoRA of linear layers: encoder.layers.1.attention.q_proj.lora_magnitude",
    ),
    "another width": (
        {f"{QUERY}.lora_A.weight": DOWN[:, :32], f"{QUERY}.lora_B.weight": UP},
        r"has shape \[2, 32\], and '.*' needs \[2, 64\]",
    ),
    "NaN": ({**LORA, f"{QUERY}.lora_A.weight": DOWN * torch.nan}, "NaN or infinite"),
    "a changed CNN": (
        {**LORA, "feature_extractor.conv_layers.0.layer_norm.bias": torch.ones(32)},
        r"changes feature_extractor.conv_layers.0.layer_norm.bias, and in hubert no adapter of",
    ),
    "nothing": ({"encoder.layers.1.layer_norm.bias": torch.zeros(64)}, "has no adapter that acts"),
}


@pytest.mark.thorough
@pytest.mark.parametrize(("tensors", "message"), BAD.values(), ids=BAD)
def test_files_that_do_not_fit_are_refused(tensors, message, base, tmp_path):
    source = written(tmp_path / "peft", {**V6, "bias": "all"}, tensors)
    with pytest.raises(AdapterFileError, match=message):
        import_peft(source, base("hubert"), tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.thorough
def test_a_rank_above_the_width_is_refused(base, tmp_path):
    wide = {
        f"{QUERY}.lora_A.weight": torch.ones(65, 64),
        f"{QUERY}.lora_B.weight": torch.ones(64, 65),
    }
    source = written(tmp_path / "peft", V18, wide)
    with pytest.raises(RecipeMismatch, match="has rank 65, more than its narrower side, 64"):
        import_peft(source, base("hubert"), tmp_path / "run")


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("recipe", "message"),
    [
        ("bottleneck + lora", r"peft has no adapter like bottleneck: peft has LoRA \(lora\)"),
        ("lora + scale", r"has LoRA and \(IA\)\^3, and peft cannot hold both"),
        ("bias", "trains biases without LoRA, and peft trains biases with LoRA alone"),
        ("scale(shift=true)", "has a shift, and .* of peft has none"),
        ("scale@layer", "of peft scales linear layers, and layer in layer 0 is not one"),
        ("lora + lora@attn.q", "two adapters of the run are at the module of"),
        ("linear", "trains its head alone"),
    ],
)
def test_what_peft_lacks_is_refused_with_what_to_do(recipe, message, base, tmp_path):
    save(attach(load_backbone(base("hubert")), Recipe.parse(recipe)), tmp_path / "run")
    with pytest.raises(ExportError, match=message):
        export_peft(tmp_path / "run", tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.thorough
def test_the_language_of_a_multilingual_whisper_is_asked_for(tmp_path):
    family = WholeWhisper()
    random_backbone(family, family.tiny(), "tiny").save(tmp_path / "base")
    query = "model.decoder.layers.0.encoder_attn.q_proj"
    pair = {f"{query}.lora_A.weight": DOWN, f"{query}.lora_B.weight": UP}
    source = written(tmp_path / "peft", V18, pair)
    with pytest.raises(RunError, match="knows 3 languages; say which one is spoken"):
        import_peft(source, str(tmp_path / "base"), tmp_path / "run")
    found = import_peft(
        source, str(tmp_path / "base"), tmp_path / "run", task="seq2seq(language=fr)"
    )
    assert (str(found.recipe), found.head) == ("lora(rank=2, alpha=12.0)@dec.cross.q[0]", "decoder")
    assert read_folder(tmp_path / "run").facts["task"]["language"] == "fr"


@pytest.mark.thorough
def test_a_head_has_the_task_that_is_named_if_that_fits_it(base, tmp_path):
    head = {
        "projector.weight": torch.randn(8, 64),
        "projector.bias": torch.randn(8),
        "classifier.weight": torch.randn(2, 8),
        "classifier.bias": torch.randn(2),
    }
    config = {**V18, "modules_to_save": ["projector", "classifier"]}
    source = written(tmp_path / "peft", config, {**LORA, **head})
    given = {"labels": ["dog", "rain"]}
    import_peft(source, base("hubert"), tmp_path / "run", task="tagging", **given)
    facts = read_folder(tmp_path / "run").facts["task"]
    assert (facts["name"], facts["tags"]) == ("tagging", ["dog", "rain"])
    for task in ("asr", "regression", "seq2seq"):
        what = f"the task {task} does not fit the head of the adapter, which is 'mean'"
        with pytest.raises(RunError, match=what):
            import_peft(source, base("hubert"), tmp_path / "other", task=task, **given)
    with pytest.raises(RunError, match="taging"):
        import_peft(source, base("hubert"), tmp_path / "other", task="taging", **given)
    assert not (tmp_path / "other").exists()


@pytest.mark.thorough
def test_both_commands_print_what_they_wrote(base, tmp_path):
    source, run, back = written(tmp_path / "peft", V18, LORA), tmp_path / "run", tmp_path / "back"
    where = ["--backbone", base("hubert")]
    made = CliRunner().invoke(app, ["import", str(source), *where, "--out", str(run)])
    assert made.exit_code == 0, made.output
    assert "recipe   lora(rank=2, alpha=12.0)@attn.q[1]\nhead     none\nadapter: " in made.output
    made = CliRunner().invoke(app, ["export", "peft", str(run), "--out", str(back), "--json"])
    assert made.exit_code == 0, made.output
    about = json.loads(made.output)
    assert (about["type"], about["class"], about["notices"]) == ("LORA", "AutoModel", [])
    assert about["use"][0] == f"model = AutoModel.from_pretrained('{where[1]}')"
    config = json.loads((back / "adapter_config.json").read_text())
    assert (config["r"], config["lora_alpha"], config["target_modules"]) == (2, 12, [QUERY])
