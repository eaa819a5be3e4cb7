"""A batch with an adapter per row equals each adapter alone: every method on every family."""

from dataclasses import dataclass
from typing import ClassVar

import pytest
import torch

from kinds import ALONE, KINDS, SETTINGS, attached, fits, pairs, parameters, shake
from ossicle.adapters.check import attach
from ossicle.adapters.saving import save
from ossicle.data import windows
from ossicle.errors import AttachError, RecipeMismatch
from ossicle.frozen.part import BatchRow
from ossicle.heads import build_head
from ossicle.inference import AdapterBank, Ensemble, SingleModel
from ossicle.inference.adapter_group import Request
from ossicle.inference.bank import UNUSED
from ossicle.inference.embeddings import embed_wave
from ossicle.methods import Adapter, Method
from ossicle.recipes.placement import Placement
from ossicle.recipes.recipe import Recipe

NEARLY = {"rtol": 1e-5, "atol": 1e-5}
MIXED = ("lora", "bottleneck(width=5)@ffn[1:]", "weighted-sum", "prefix(length=3)", "linear")
MORE = ["linear", "lora[1:]", "lora[1:] + weighted-sum", "lora[1:] + l-adapter"]


def members(build, kind: str, expression: str, count: int, head: str = "mean", outputs: int = 3):
    """Return models with different adapter weights, and the same weights for a bank."""
    recipe, made = Recipe.parse(expression), []
    for seed in range(count):
        torch.manual_seed(seed)
        backbone = build(kind)
        built = build_head(head, recipe.seen_by_head(backbone.anatomy), outputs)
        model = attach(backbone, recipe, built).eval()
        shake(model, by=0.2)
        made.append(model)
    return recipe, made


def tensors(model):
    return {key: parameter.detach() for key, parameter in parameters(model).items()}


@torch.no_grad()
def alone(model, wave):
    return model.outputs(*model.backbone.batch([wave])).values[0]


@pytest.mark.parametrize(
    "pair",
    [
        pair
        for pair in pairs([*dict.fromkeys([*SETTINGS, *MORE])])
        if not pair[1].startswith(("full", "skip"))  # a bank serves no mixture: test_gates.py
    ],
    ids="-".join,
)
def test_every_row_has_the_output_of_its_own_adapter(build, noise, pair):
    recipe, models = members(build, *pair, count=3)
    bank = AdapterBank(build(pair[0]))
    for number, model in enumerate(models):
        bank.add(str(number), recipe, "mean", 3, tensors(model))
    waves = noise(4000, 2500, 3100)
    expected = [[alone(model, wave) for wave in waves] for model in models]
    for members_of_rows in ("012", "201", "002", "111"):
        found = bank.outputs(waves, list(members_of_rows))
        for row, (name, output) in enumerate(zip(members_of_rows, found, strict=True)):
            torch.testing.assert_close(output, expected[int(name)][row], **NEARLY)
    together = bank.ensemble(waves[:2], ["2", "0"])
    for name, outputs in zip((2, 0), together, strict=True):
        for row, output in enumerate(outputs):
            torch.testing.assert_close(output, expected[name][row], **NEARLY)


@pytest.mark.parametrize("order", ["0101", "1010", "0110", "210012", "0120"])
def test_rows_may_name_their_adapters_in_any_order(build, noise, order):
    recipe, models = members(build, "hubert", "lora", count=3)
    bank = AdapterBank(build("hubert"))
    for number, model in enumerate(models):
        bank.add(str(number), recipe, "mean", 3, tensors(model))
    waves = noise(*range(4000, 4000 - 300 * len(order), -300))
    for wave, name, output in zip(waves, order, bank.outputs(waves, list(order)), strict=True):
        torch.testing.assert_close(output, alone(models[int(name)], wave), **NEARLY)


@pytest.mark.parametrize("kind", KINDS)
def test_any_mix_of_methods_and_heads_shares_a_batch(build, noise, kind):
    bank, models = AdapterBank(build(kind)), {}
    heads = ["mean", "meanstd", "superb", "speaker-attentive"]
    expressions = [one for one in MIXED if fits(kind, one)]
    assert len(expressions) >= 4
    for number, expression in enumerate(expressions * 2):
        head, outputs = heads[number % len(heads)], 2 + number
        recipe, (model,) = members(build, kind, expression, 1, head, outputs)
        models[str(number)] = model
        bank.add(str(number), recipe, head, outputs, tensors(model))
    waves = noise(4000, 2500)
    for name, outputs in zip(models, bank.ensemble(waves, list(models), max_rows=5), strict=True):
        for wave, output in zip(waves, outputs, strict=True):
            torch.testing.assert_close(output, alone(models[name], wave), **NEARLY)


def test_frame_heads_return_the_real_frames_of_each_row(build, noise):
    recipe, models = members(build, "hubert", "lora", 2, head="frames", outputs=7)
    bank = AdapterBank(build("hubert"))
    for number, model in enumerate(models):
        bank.add(str(number), recipe, "frames", 7, tensors(model))
    waves = noise(4000, 2500)
    for wave, name, output in zip(waves, "10", bank.outputs(waves, ["1", "0"]), strict=True):
        assert output.shape == (bank.backbone.num_frames(len(wave)), 7)
        torch.testing.assert_close(output, alone(models[int(name)], wave), **NEARLY)


def test_a_hundred_adapters_come_and_go_and_the_others_stay(build, noise):
    recipe, models = members(build, "hubert", "lora(rank=2)", 10)
    bank, (wave,) = AdapterBank(build("hubert")), noise(4000)
    for number in range(100):
        bank.add(f"a{number}", recipe, "mean", 3, tensors(models[number % 10]))
    for number in range(0, 100, 3):
        bank.remove(f"a{number}")
    assert len(bank) == 66
    bank.add("new", recipe, "mean", 3, tensors(models[7]))
    expected = [alone(model, wave) for model in models]
    for name, (output,) in zip(bank.names, bank.ensemble([wave], bank.names), strict=True):
        number = 7 if name == "new" else int(name[1:]) % 10
        torch.testing.assert_close(output, expected[number], **NEARLY)
    with pytest.raises(AttachError, match=r"no adapter 'a0'; available: a1, a2.*Did you m"):
        bank.outputs([wave], ["a0"])
    with pytest.raises(AttachError, match="there is an adapter 'new' already; remove it first"):
        bank.add("new", recipe, "mean", 3, tensors(models[7]))


@pytest.mark.parametrize(
    "expression",
    [text for name, text in ALONE.items() if fits("hubert", text) and name != "skip"],  # as above
)
def test_it_loads_what_is_saved(build, noise, tmp_path, expression):
    torch.manual_seed(1)
    model = attached(build("hubert"), Recipe.parse(expression)).eval()
    shake(model)
    save(model, tmp_path)
    bank, (wave,) = AdapterBank(build("hubert")), noise(4000)
    if model.current.in_place:
        with pytest.raises(
            AttachError, match="changes the backbone itself, so other adapters cannot"
        ):
            bank.load("one", tmp_path)
        return
    bank.load("one", tmp_path)
    torch.testing.assert_close(bank.outputs([wave], ["one"])[0], alone(model, wave), **NEARLY)
    with pytest.raises(RecipeMismatch, match="with other weights"):
        AdapterBank(build("hubert", seed=1)).load("one", tmp_path)


@dataclass(frozen=True)
class Peaks(Method):
    """A method with data-dependent control flow, which vmap does not support."""

    name: ClassVar[str] = "peaks"
    default_at: ClassVar[tuple[str, ...]] = ("ffn",)

    def build(self, site):
        return PeaksAdapter(site.width_out)


class PeaksAdapter(Adapter):
    supports_vmap: ClassVar[bool] = False

    def __init__(self, width: int) -> None:
        super().__init__()
        self.gain = torch.nn.Parameter(torch.ones(width))

    def forward(self, x, y):  # noqa: ARG002 - every adapter receives x and y
        return y * self.gain if self.gain.detach().max().item() > 0 else y


def test_a_method_without_vmap_runs_set_by_set_and_the_bank_reports_it(build, noise):
    recipe, models = Recipe(Placement(Peaks())), []
    bank = AdapterBank(build("hubert"))
    for number in range(3):
        backbone = build("hubert")
        model = attach(backbone, recipe, build_head("mean", backbone.anatomy, 3)).eval()
        shake(model, by=0.2)
        models.append(model)
        bank.add(str(number), recipe, "mean", 3, tensors(model))
    waves = noise(4000, 2500, 3100)
    for wave, name, output in zip(waves, "201", bank.outputs(waves, list("201")), strict=True):
        torch.testing.assert_close(output, alone(models[int(name)], wave), **NEARLY)
    assert bank.notes == [
        "sets of 'peaks' run one after the other: the method does not support vmap"
    ]


@pytest.mark.parametrize("expression", ["lora(dropout=0.9)", "bottleneck(dropout=0.9)@ffn"])
def test_there_is_no_dropout(build, noise, expression):
    recipe, models = members(build, "hubert", expression, count=2)
    bank = AdapterBank(build("hubert"))
    for number, model in enumerate(models):
        bank.add(str(number), recipe, "mean", 3, tensors(model))
    (wave,) = noise(4000)
    for names in ("0", "01"):
        found = bank.outputs([wave] * len(names), list(names))
        for model, output in zip(models, found, strict=False):
            torch.testing.assert_close(output, alone(model, wave), **NEARLY)


def test_what_does_not_fit_is_refused(build):
    recipe, (model,) = members(build, "hubert", "lora", 1)
    bank, whole = AdapterBank(build("hubert")), tensors(model)
    with pytest.raises(
        AttachError, match="adapter 'a' was saved without a head, which a bank needs"
    ):
        bank.add("a", recipe, None, 3, whole)
    missing = {key: tensor for key, tensor in whole.items() if key != "head/linear.bias"}
    with pytest.raises(RecipeMismatch, match=r"1 tensors of adapter 'a' .* 'head/linear.bias'"):
        bank.add("a", recipe, "mean", 3, missing)
    with pytest.raises(RecipeMismatch, match="2 tensors of adapter 'a' do not fit its recipe"):
        bank.add("a", recipe, "mean", 4, whole)
    assert bank.names == []


def test_a_wave_runs_through_the_frozen_part_once(build, noise):
    backbone = build("hubert")
    bank = AdapterBank(backbone)
    for name, expression in (("low", "lora"), ("top", "lora[1:]"), ("head", "linear")):
        recipe, models = members(build, "hubert", expression, 2)
        for number, model in enumerate(models):
            bank.add(f"{name}{number}", recipe, "mean", 3, tensors(model))
    passed = {"cnn": 0, "layer 0": 0, "layer 1": 0}
    modules = {
        "cnn": backbone.model.feature_extractor,
        "layer 0": backbone.model.encoder.layers[0],
        "layer 1": backbone.model.encoder.layers[1],
    }
    for name, module in modules.items():

        def count(_, args, name=name):
            passed[name] += len(args[0])

        module.register_forward_pre_hook(count)
    bank.ensemble(noise(4000, 2500), bank.names)
    # two waves through the CNN; each layer also runs the rows of sets attached up to there
    assert passed == {"cnn": 2, "layer 0": 2 + 4, "layer 1": 2 + 4 + 4}


def embedded(model, wave):
    """Return what the last layer of the head reads; of a head by frame, the mean of the frames."""
    if model.head.by_frame:
        return SingleModel(model).forward_with_embeddings([BatchRow.of(model.backbone.row(wave))])[
            1
        ][0]
    read = []
    last = getattr(model.head, model.head.last)
    hook = last.register_forward_pre_hook(lambda _, inputs: read.append(inputs[0][0]))
    alone(model, wave)
    hook.remove()
    return read[0]


@pytest.mark.parametrize(
    "kind",
    ["hubert", *(pytest.param(kind, marks=pytest.mark.thorough) for kind in ("ast", "wavlm"))],
)
@torch.no_grad()
def test_a_batch_gives_outputs_and_embeddings_of_any_adapters(build, noise, kind):
    bank, models = AdapterBank(build(kind)), {}
    heads = ["mean", "speaker-meanstd", "superb", "frames", "mean", "frames", "speaker-attentive"]
    expressions = ["lora", "lora", "linear", "lora", "lora", "prefix(length=3)", "bottleneck[1:]"]
    for number, (expression, head) in enumerate(zip(expressions, heads, strict=True)):
        if kind == "ast" and head == "frames":
            head = "cls"
        recipe, (model,) = members(build, kind, expression, 1, head)
        models[str(number)] = model
        bank.add(str(number), recipe, head, 3, tensors(model))
    waves = noise(4000, 2500)
    rows = [bank.backbone.row(wave) for wave in waves]
    wanted = [
        Request(row, name, reads)
        for row, reads in ((0, "embedding"), (1, "output"), (1, "embedding"))
        for name in models
    ]
    wanted.insert(3, (0, "0"))  # of a row and a name alone, the output
    for request, found in zip(wanted, bank.run(rows, wanted, max_rows=9), strict=True):
        row, name, reads = Request(*request)
        expected = (embedded if reads == "embedding" else alone)(models[name], waves[row])
        torch.testing.assert_close(found, expected, **NEARLY)


@torch.no_grad()
def test_an_embedding_of_a_long_recording_is_the_mean_of_its_windows(build, noise):
    recipe, models = members(build, "hubert", "lora", 2)
    bank, (wave,) = AdapterBank(build("hubert")), noise(6400)
    for number, model in enumerate(models):
        bank.add(str(number), recipe, "mean", 3, tensors(model))
    found = embed_wave(Ensemble(bank, ["1", "0"]), 4000, wave)
    pieces = [wave[start:stop] for start, stop in windows(len(wave), 4000)]
    assert len(pieces) == 2
    for model, of_bank in zip(reversed(models), found, strict=True):
        expected = torch.stack([embedded(model, piece) for piece in pieces]).mean(0)
        torch.testing.assert_close(of_bank, expected, **NEARLY)
        (of_model,) = embed_wave(SingleModel(model), 4000, wave)
        torch.testing.assert_close(of_model, expected, **NEARLY)


@pytest.mark.thorough
def test_recipes_without_adapters_take_no_memory_for_ever(build, noise):
    bank, (wave,) = AdapterBank(build("hubert")), noise(3000)
    kept, models = members(build, "hubert", "lora(rank=3)", count=1)
    bank.add("kept", kept, "mean", 3, tensors(models[0]))
    expected = bank.outputs([wave], ["kept"])[0]
    for rank in (*range(4, 24), 4):
        recipe, models = members(build, "hubert", f"lora(rank={rank})", count=1)
        bank.add("new", recipe, "mean", 3, tensors(models[0]))
        mine, theirs = bank.outputs([wave, wave], ["new", "kept"])
        torch.testing.assert_close(mine, alone(models[0], wave), **NEARLY)
        torch.testing.assert_close(theirs, expected, **NEARLY)
        bank.remove("new")
    assert len(bank._groups) == len(bank._model.sets) == UNUSED + 1
