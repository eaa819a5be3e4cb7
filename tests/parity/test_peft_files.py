"""Adapters that peft saved, imported; and runs exported, loaded by peft: equal outputs.

peft 0.21 does the work on both sides of each test; versions before it are in
`tests/unit/test_peft_versions.py`.
"""

from pathlib import Path
from shutil import copy2

import pytest
import torch
import transformers

from kinds import KINDS, shake
from ossicle.adapters.check import attach
from ossicle.adapters.folder import read_folder
from ossicle.adapters.saving import load, save
from ossicle.backbones import FAMILIES, load_backbone, random_backbone
from ossicle.backbones.families import WITH_DECODER
from ossicle.backbones.transformers_logging import quiet_transformers
from ossicle.convert.peft.read import import_peft
from ossicle.convert.peft.write import export_peft
from ossicle.errors import ExportError
from ossicle.heads import build_head
from ossicle.methods import Bias
from ossicle.recipes.recipe import Recipe

peft = pytest.importorskip("peft", reason="peft is a tool of development")
pytestmark = [
    pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated"),  # by peft
    pytest.mark.filterwarnings("ignore:Unsupported layer type"),  # peft's of every LayerNorm
    pytest.mark.filterwarnings("ignore:Setting `save_embedding_layers`"),
    pytest.mark.filterwarnings("ignore:Could not find a config file"),
    pytest.mark.filterwarnings("ignore:.*is set to True but the target module is"),
]
CLASSES = 3
HEAD = ["projector", "classifier"]
SPEECH = ["wav2vec2", "wav2vec2-pre-norm", "hubert", "wavlm", "data2vec-audio", "unispeech-sat"]
TASK = {"name": "classification", "labels": ["a", "b", "c"], "label_smoothing": 0.0}
CTC_TASK = {"name": "asr", "units": ["a", "b"], "max_seconds": 30.0}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Function from a kind to the folder of a tiny backbone with random weights."""
    made: dict[str, Path] = {}

    def written(kind: str) -> Path:
        if kind not in made:
            name, form = KINDS[kind]
            family = FAMILIES[name]
            made[kind] = tmp_path_factory.mktemp(kind) / "base"
            random_backbone(family, {**family.tiny(), **form}, "tiny").save(made[kind])
        return made[kind]

    return written


def stock(folder: Path, auto: str = "AutoModel", **settings):
    """Return the model of transformers."""
    with quiet_transformers():
        torch.manual_seed(7)
        found = getattr(transformers, auto).from_pretrained(
            folder, dtype=torch.float32, ignore_mismatched_sizes=True, **settings
        )
    return found.eval()


def adapted(model, config, out: Path):
    """Return a model with a peft adapter of random weights, which is saved too."""
    made = peft.get_peft_model(model, config).eval()
    torch.manual_seed(3)
    with torch.no_grad():
        for parameter in made.parameters():
            if parameter.requires_grad:
                parameter += torch.randn_like(parameter) * 0.1
    made.save_pretrained(out, save_embedding_layers=False)
    return made


def inputs_of(backbone, noise):
    """Return model inputs of two recordings of one length, as both sides take them."""
    values, lengths = backbone.batch(noise(6400, 6400))
    shaped = values.transpose(1, 2) if backbone.family.name == "whisper" else values
    return values, lengths, shaped


@torch.no_grad()
def ours(model, values, lengths):
    encoded = model.encode(values, lengths)
    logits = None if model.head is None else model.apply_head(encoded).values
    return encoded.hidden, logits


def close(made, expected):
    torch.testing.assert_close(made, expected, rtol=1e-5, atol=1e-5)


def lora(**settings):
    return peft.LoraConfig(**{"r": 4, "lora_alpha": 12, **settings})


METHODS = {
    "lora": lambda: lora(target_modules=NAMES["qv"]),
    "rslora": lambda: lora(
        target_modules=r".*\.(q_proj|out_proj|o_proj|linear_q|linear_out)",
        use_rslora=True,
        rank_pattern={"(out_proj|o_proj|linear_out)": 2},
        alpha_pattern={r"layers.0.*(q_proj|linear_q)": 5},
    ),
    "lora-all-linear": lambda: lora(
        target_modules="all-linear", exclude_modules=[*HEAD, "classifier.dense"]
    ),
    "ia3": lambda: peft.IA3Config(
        target_modules=NAMES["kv"] + NAMES["out"], feedforward_modules=NAMES["out"]
    ),
    "ln": lambda: peft.LNTuningConfig(target_modules=NAMES["norms"]),
}
NAMES = {
    "qv": ["q_proj", "v_proj", "linear_q", "linear_v"],
    "kv": ["k_proj", "v_proj", "linear_k", "linear_v"],
    "out": ["output_dense", "fc2"],
    "norms": [
        *("final_layer_norm", "layernorm_before", "self_attn_layer_norm", "ffn1_layer_norm"),
        "feature_projection.layer_norm",
    ],
}
FROM_PEFT = [
    (kind, method)
    for kind in (*SPEECH, "ast", "w2v-bert")
    for method in METHODS
    if kind != "wavlm" or method == "ln"
]


@pytest.mark.thorough
@pytest.mark.parametrize(("kind", "method"), FROM_PEFT)
def test_an_imported_classifier_gives_the_outputs_of_peft(kind, method, folder, noise, tmp_path):
    config = METHODS[method]()
    config.modules_to_save = ["classifier"] if kind == "ast" else HEAD
    theirs = stock(folder(kind), "AutoModelForAudioClassification", num_labels=CLASSES)
    theirs = adapted(theirs, config, tmp_path / "peft")
    found = import_peft(tmp_path / "peft", str(folder(kind)), tmp_path / "run")
    model = load(tmp_path / "run")
    values, lengths, given = inputs_of(model.backbone, noise)
    with torch.no_grad():
        expected = theirs(given, output_hidden_states=True)
    hidden, logits = ours(model, values, lengths)
    assert found.outputs == CLASSES
    close(logits, expected.logits)
    if kind not in ("ast", "wav2vec2-pre-norm"):  # their last hidden state is before the norm
        close(hidden, expected.hidden_states[-1])


EXPORTED = {
    "lora": "lora(rank=3, alpha=7)@attn.q,attn.v,ffn.in",
    "mixed ranks": "lora(rank=3, scale=0.7)@attn.o + lora(rank=2)@attn.q[1] + norm@norm.ffn",
    "lora and bias": "lora(rank=2)@attn.q + bias@attn.q,attn.v,norm.attn",
    "ia3": "scale",
    "norm": "norm",
}


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("kind", "recipe"),
    [("hubert", recipe) for recipe in EXPORTED.values()]
    + [(kind, recipe) for kind in ("ast", "w2v-bert") for recipe in list(EXPORTED.values())[1:4]]
    + [(kind, EXPORTED["lora and bias"]) for kind in SPEECH if kind != "hubert"],
)
def test_peft_gives_the_outputs_of_an_exported_run(kind, recipe, folder, noise, tmp_path):
    if kind == "wavlm":  # adapters of its attention are refused, see below
        recipe = "lora(rank=3)@ffn.in,ffn.out + bias@attn.q + norm@norm.ffn"
    head = "ast" if kind == "ast" else "mean"
    backbone = load_backbone(str(folder(kind)))
    plan = Recipe.parse(recipe)
    model = attach(backbone, plan, build_head(head, backbone.anatomy, CLASSES)).eval()
    shake(model)
    save(model, tmp_path / "run", task={**TASK, "max_seconds": 30.0})
    found = export_peft(tmp_path / "run", tmp_path / "peft")
    settings = {} if kind == "ast" else {"classifier_proj_size": backbone.anatomy.width}
    base = stock(folder(kind), found.auto, num_labels=CLASSES, **settings)
    theirs = peft.PeftModel.from_pretrained(base, tmp_path / "peft").eval()
    values, lengths, given = inputs_of(backbone, noise)
    with torch.no_grad():
        expected = theirs(given).logits
    close(expected, ours(model, values, lengths)[1])
    assert not found.notices
    again = import_peft(tmp_path / "peft", str(folder(kind)), tmp_path / "again")
    close(ours(load(tmp_path / "again"), values, lengths)[1], expected)
    assert again.outputs == CLASSES


@pytest.mark.thorough
def test_ctc_goes_both_ways(folder, noise, tmp_path):
    theirs = stock(folder("wav2vec2"), "AutoModelForCTC", vocab_size=4, pad_token_id=2)
    config = lora(target_modules=["q_proj"], modules_to_save=["lm_head"])
    theirs = adapted(theirs, config, tmp_path / "peft")
    base = str(folder("wav2vec2"))
    found = import_peft(tmp_path / "peft", base, tmp_path / "run", labels=["a", "|", "<pad>", "b"])
    model = load(tmp_path / "run")
    values, lengths, given = inputs_of(model.backbone, noise)
    with torch.no_grad():
        expected = theirs(given).logits
    assert (found.head, found.outputs) == ("frames", 4)
    close(ours(model, values, lengths)[1], expected[..., [2, 0, 1, 3]])  # the blank comes first
    units = read_folder(tmp_path / "run").facts["task"]["units"]
    assert units == ["a", " ", "b"]

    written = export_peft(tmp_path / "run", tmp_path / "again")
    assert written.auto == "AutoModelForCTC"
    again = stock(folder("wav2vec2"), "AutoModelForCTC", vocab_size=4, pad_token_id=0)
    again = peft.PeftModel.from_pretrained(again, tmp_path / "again").eval()
    with torch.no_grad():
        close(again(given).logits, expected[..., [2, 0, 1, 3]])


@pytest.mark.thorough
@pytest.mark.parametrize("method", ["lora", "ia3", "ln"])
def test_a_whole_whisper_goes_both_ways(method, noise, tmp_path):
    family = WITH_DECODER["whisper"]
    base = tmp_path / "whisper"
    random_backbone(family, family.tiny(), "tiny").save(base)
    config = METHODS[method]()
    if method == "lora":
        config.target_modules = {"q_proj", "v_proj", "fc1"}
    auto = "AutoModelForSpeechSeq2Seq"
    theirs = adapted(stock(base, auto), config, tmp_path / "peft")
    task = "seq2seq(language=de)"
    found = import_peft(tmp_path / "peft", str(base), tmp_path / "run", task=task)
    assert any(site.startswith("dec.") for one in found.recipe.placements for site in one.at)
    model = load(tmp_path / "run")
    values, lengths = model.backbone.batch(noise(9000, 16_000))
    ids = torch.tensor([[257, 5, 90, 33], [257, 7, 7, 100]])
    given = {"input_features": values.transpose(1, 2), "decoder_input_ids": ids}
    with torch.no_grad():
        encoded = model.encode(values, lengths)
        made = model.backbone.decoder.logits(encoded.hidden, encoded.frame_mask, ids)
        close(made, theirs(**given).logits)
        export_peft(tmp_path / "run", tmp_path / "again")
        again = peft.PeftModel.from_pretrained(stock(base, auto), tmp_path / "again").eval()
        close(made, again(**given).logits)


@pytest.mark.thorough
def test_the_encoder_of_whisper_is_imported_without_its_classifier(folder, noise, tmp_path):
    auto = "AutoModelForAudioClassification"
    config = lora(target_modules=["q_proj", "fc2"], modules_to_save=HEAD)
    theirs = adapted(stock(folder("whisper"), auto, num_labels=3), config, tmp_path / "peft")
    found = import_peft(tmp_path / "peft", str(folder("whisper")), tmp_path / "run")
    assert found.head is None
    assert "averages all frames of a chunk" in found.notices[0]
    model = load(tmp_path / "run")
    values, lengths, given = inputs_of(model.backbone, noise)
    with torch.no_grad():
        expected = theirs(given, output_hidden_states=True).hidden_states[-1]
    close(ours(model, values, lengths)[0], expected)
    found = export_peft(tmp_path / "run", tmp_path / "again")
    again = peft.PeftModel.from_pretrained(stock(folder("whisper")), tmp_path / "again").eval()
    with torch.no_grad():
        close(again.get_base_model().encoder(given).last_hidden_state, expected)


@pytest.mark.thorough
def test_what_peft_ignores_on_wavlm_is_left_out_and_refused(folder, noise, tmp_path):
    config = lora(target_modules=["q_proj", "output_dense"], modules_to_save=HEAD)
    theirs = stock(folder("wavlm"), "AutoModelForAudioClassification", num_labels=CLASSES)
    theirs = adapted(theirs, config, tmp_path / "peft")
    found = import_peft(tmp_path / "peft", str(folder("wavlm")), tmp_path / "run")
    assert "2 adapters are left out (wavlm.encoder.layers.0.attention.q_proj" in found.notices[0]
    model = load(tmp_path / "run")
    values, lengths, given = inputs_of(model.backbone, noise)
    with torch.no_grad():
        close(ours(model, values, lengths)[1], theirs(given).logits)
    model = attach(load_backbone(str(folder("wavlm"))), Recipe.parse("lora"))
    save(model, tmp_path / "dead")
    with pytest.raises(ExportError, match=r"wavlm reads the weights of the module at attn\.q in l"):
        export_peft(tmp_path / "dead", tmp_path / "out")


@pytest.mark.thorough
def test_biases_saved_by_peft_are_kept(folder, noise, tmp_path):
    theirs = stock(folder("hubert"), "AutoModelForAudioClassification", num_labels=CLASSES)
    for name, parameter in theirs.named_parameters():  # those that no adapter can hold
        parameter.requires_grad_("conv" not in name)
    config = lora(target_modules=["q_proj"], bias="all", modules_to_save=HEAD)
    made = peft.get_peft_model(theirs, config)
    for name, parameter in made.named_parameters():
        if name.endswith("bias") and "conv" in name:
            parameter.requires_grad_(requires_grad=False)
    with torch.no_grad():
        for parameter in made.parameters():
            if parameter.requires_grad:
                parameter += torch.randn_like(parameter) * 0.1
    made.eval().save_pretrained(tmp_path / "peft")
    found = import_peft(tmp_path / "peft", str(folder("hubert")), tmp_path / "run")
    assert any(isinstance(one.method, Bias) for one in found.recipe.placements)
    model = load(tmp_path / "run")
    values, lengths, given = inputs_of(model.backbone, noise)
    with torch.no_grad():
        close(ours(model, values, lengths)[1], made(given).logits)


@pytest.mark.thorough
def test_a_classifier_without_its_projector_is_incomplete(folder, tmp_path):
    theirs = stock(folder("hubert"), "AutoModelForAudioClassification", num_labels=CLASSES)
    adapted(theirs, lora(target_modules=["q_proj"], task_type="SEQ_CLS"), tmp_path / "peft")
    found = import_peft(tmp_path / "peft", str(folder("hubert")), tmp_path / "run")
    assert found.head is None
    assert "neither the adapter nor the checkpoint holds projector" in found.notices[0]
    stock(folder("hubert"), "AutoModelForAudioClassification").save_pretrained(tmp_path / "whole")
    copy2(folder("hubert") / "preprocessor_config.json", tmp_path / "whole")
    found = import_peft(tmp_path / "peft", str(tmp_path / "whole"), tmp_path / "again")
    assert (found.head, found.outputs) == ("superb", CLASSES)
