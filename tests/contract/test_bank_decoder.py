"""Adapters of a bank that write text: each row gets what its adapter alone gives."""

import copy

import numpy as np
import pytest
import torch

from decoders import DEEP, MAX_TOKENS, WHOLE, attached
from kinds import shake
from ossicle.adapters.saving import save
from ossicle.backbones import load_backbone
from ossicle.errors import AttachError
from ossicle.frozen.cut import find_cut
from ossicle.frozen.part import BatchRow, FrozenPart
from ossicle.inference.adapter_group import Request
from ossicle.inference.bank import WRITING, AdapterBank
from ossicle.inference.ensemble import Ensemble
from ossicle.recipes.recipe import Recipe
from ossicle.tasks import Seq2Seq
from ossicle.training.ensemble_folder import Member
from ossicle.training.members import open_members
from ossicle.writing import Generating, Text, Writing

BOTH = (
    "lora@attn.q,dec.attn.q,dec.cross.v + bottleneck(width=3)@dec.ffn + prefix@dec.attn.kv"
    " + prefix@dec.cross.kv"
)
RECIPES = {"a": BOTH, "b": BOTH, "c": DEEP, "d": "lora@dec.cross.k", "e": "bias@ffn.out"}
TEXTS = [Text(), Text(prompt="ab"), Text(prompt="q")]


@pytest.fixture(scope="module")
def bare():
    return WHOLE["whisper"]()


@pytest.fixture(scope="module")
def models(bare):
    made = {}
    for seed, (name, text) in enumerate(RECIPES.items()):
        torch.manual_seed(seed)
        made[name] = attached(copy.deepcopy(bare), Recipe.parse(text))
        shake(made[name], by=0.3)
    return made


def configure(head) -> None:
    head.writing = Writing(generating=Generating(max_tokens=MAX_TOKENS))


@pytest.fixture
def bank(bare, models) -> AdapterBank:
    made = AdapterBank(copy.deepcopy(bare))
    for name, model in models.items():
        tensors = {key: tensor.detach() for key, tensor in model.trainable().items()}
        made.add(name, Recipe.parse(RECIPES[name]), "decoder", 0, tensors)
        made.configure(name, configure)
    return made


@torch.no_grad()
def alone(model, wave, text: Text) -> torch.Tensor:
    encoded = model.encode(*model.backbone.batch([wave]))
    return model.answers(encoded, [text]).values[0]


def test_every_row_is_written_as_by_its_adapter_alone(bank, models, noise):
    waves = noise(4000, 8000, 12_000)
    rows = [bank.backbone.row(wave) for wave in waves]
    requests = [(0, "a"), (1, "b"), (2, "a"), (0, "c"), (1, "d"), (2, "e"), (1, "a"), (2, "c")]
    texts = set()
    for (row, name), found in zip(requests, bank.run(rows, requests, texts=TEXTS), strict=True):
        expected = alone(models[name], waves[row], TEXTS[row])
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)
        texts.add(tuple(found[:, 0].tolist()))
    assert len(texts) > 4  # adapters and prompts matter
    assert bank.notes == [WRITING]


@pytest.mark.thorough
@torch.no_grad()
def test_a_batch_gives_texts_and_embeddings(bank, models, noise):
    waves = noise(4000, 8000)
    rows = [bank.backbone.row(wave) for wave in waves]
    requests = [
        Request(0, "a"),
        Request(0, "a", "embedding"),
        Request(1, "b", "embedding"),
        Request(1, "c"),
        Request(1, "b"),
    ]
    for request, found in zip(requests, bank.run(rows, requests, texts=TEXTS[:2]), strict=True):
        row, name, reads = request
        if reads == "embedding":
            given = [BatchRow.of(rows[row])]
            encoded = FrozenPart(find_cut(models[name])).encoded(models[name], given)
            expected = encoded.hidden[0][encoded.frame_mask[0]].mean(0)
        else:
            expected = alone(models[name], waves[row], TEXTS[row])
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


def test_an_ensemble_writes_with_each_of_its_members(bank, models, noise):
    waves = noise(4000, 8000)
    rows = [
        BatchRow.of(bank.backbone.row(wave), text=text)
        for wave, text in zip(waves, TEXTS, strict=False)
    ]
    for name, outputs in zip("ad", Ensemble(bank, ["a", "d"]).outputs(rows), strict=True):
        for wave, text, found in zip(waves, TEXTS, outputs.rows(), strict=False):
            expected = alone(models[name], wave, text)
            torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


def test_the_encoder_runs_once_for_adapters_of_the_decoder(bank, noise):
    passes = []
    bank.backbone.model.layers[0].register_forward_pre_hook(lambda *_: passes.append(1))
    rows = [bank.backbone.row(wave) for wave in noise(4000)]
    bank.run(rows, [(0, "d"), (0, "c")], texts=TEXTS[:1])
    assert len(passes) == 1


def test_a_folder_says_how_its_adapter_writes(bare, models, tmp_path):
    task = {**Seq2Seq("de").to_dict(), "max_seconds": 1.0}
    save(models["d"], tmp_path, task=task)
    bank = AdapterBank(copy.deepcopy(bare))
    bank.load("one", tmp_path)
    (group,) = {id(one): one for one in bank._group_by_name.values()}.values()
    group.configured["one"](group.head)
    assert group.head.writing.language == "de"


def test_the_members_of_an_ensemble_share_a_bank_and_write_in_their_language(tmp_path):
    sizes = "&".join(
        [
            *(
                f"{part}_{what}"
                for part in ("encoder", "decoder")
                for what in ("layers=1", "ffn_dim=64")
            ),
            *(f"{part}_attention_heads=2" for part in ("encoder", "decoder")),
        ]
    )
    name = f"config:whisper-tiny?d_model=64&max_target_positions=12&{sizes}"
    task = {**Seq2Seq("de").to_dict(), "max_seconds": 30.0}
    for member, text in (("a", "lora@dec.attn.q"), ("b", "prompt@decoder")):
        backbone = load_backbone(name, decoder=True)
        save(attached(backbone, Recipe.parse(text)), tmp_path / member, task=task)
    predictor = open_members([Member(member, tmp_path / member) for member in "ab"])
    (group,) = predictor.groups
    assert group.model.num_members == 2
    row = BatchRow.of(group.backbone.row(np.zeros(8000, np.float32)))
    assert len(group.model.outputs([row])) == 2
    heads = [one.head for one in group.model.bank._groups.values()]
    assert [head.writing.language for head in heads] == ["de", "de"]


def test_a_bank_without_a_decoder_takes_none_that_writes(models):
    from ossicle.backbones import random_backbone
    from ossicle.backbones.families import FAMILIES

    family = FAMILIES["whisper"]
    bank = AdapterBank(random_backbone(family, {**family.tiny(), "encoder_layers": 1}, "tiny"))
    tensors = {key: tensor.detach() for key, tensor in models["e"].trainable().items()}
    with pytest.raises(AttachError, match="was loaded without one"):
        bank.add("e", Recipe.parse(RECIPES["e"]), "decoder", 0, tensors)
