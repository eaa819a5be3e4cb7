"""Each method on values computed by hand."""

import math

import pytest
import torch

from ossicle.anatomy import Port, Site
from ossicle.errors import RecipeError, RecipeMismatch
from ossicle.methods import METHODS, Bias, Bottleneck, Full, LoRA, Method, MoA, Norm, TrainInPlace

PORTS = Port("m", "input"), Port("m", "output")


def site(name: str = "attn.q", width_in: int = 2, width_out: int = 2, eps=None) -> Site:
    return Site(name, 0, *PORTS, width_in, width_out, 0, ("m",), eps)


def row(*values: float) -> torch.Tensor:
    return torch.tensor([[values]], dtype=torch.float32)


def fill(adapter, **values) -> None:
    with torch.no_grad():
        for name, value in values.items():
            adapter.get_parameter(name.replace("__", ".")).copy_(torch.tensor(value))


def test_lora_adds_the_scaled_product_of_two_matrices():
    adapter = LoRA(rank=2, alpha=4).build(site())  # scale 2
    fill(adapter, down=[[1.0, 2.0], [0.0, 1.0]], up=[[1.0, 0.0], [3.0, -1.0]])
    # x = (1, 1): down x = (3, 1); up of that = (3, 9 - 1) = (3, 8); twice that = (6, 16)
    assert torch.equal(adapter(row(1, 1), row(10, 20)), row(16, 36))


def test_lora_maps_between_unequal_widths():
    adapter = LoRA(rank=1, alpha=1).build(site("ffn.in", 2, 3))
    fill(adapter, down=[[1.0, -1.0]], up=[[1.0], [2.0], [0.5]])
    assert torch.equal(adapter(row(5, 3), row(0, 0, 0)), row(2, 4, 1))


@pytest.mark.parametrize(
    ("method", "rank", "scale"),
    [
        (LoRA(), 8, 1.0),
        (LoRA(rank=8, alpha=1), 8, 1 / 8),  # Lin et al. 2024
        (LoRA(rank=4, alpha=6), 4, 1.5),
        # Cappellazzo et al. 2023
        (LoRA(reduction=128, alpha=8, scale="alpha/reduction"), 6, 0.0625),
        (LoRA(reduction=64, alpha=8, scale="alpha/reduction"), 12, 0.125),
        (LoRA(rank=12, alpha=8, scale="alpha/reduction"), 12, 0.125),  # the width / 64
        (LoRA(reduction=128, alpha=12), 6, 2.0),
        (LoRA(rank=4, alpha=99, scale=0.5), 4, 0.5),
        (LoRA(reduction=500), 2, 4.0),  # 1.536 is rounded to the nearest
    ],
)
def test_the_three_scales_of_lora(method, rank, scale):
    adapter = method.build(site(width_in=768, width_out=768))
    assert adapter.down.shape == (rank, 768)
    assert adapter.scale == scale


def test_lora_starts_as_its_authors_do():
    adapter = LoRA(rank=4).build(site(width_in=64, width_out=64))
    assert not adapter.up.any()
    bound = 1 / math.sqrt(64)  # Kaiming-uniform with a = sqrt(5)
    assert adapter.down.abs().max() <= bound
    assert adapter.down.abs().max() > 0.9 * bound


def test_the_dropout_of_lora_is_on_its_own_path_alone():
    adapter = LoRA(rank=1, dropout=0.5).build(site(width_in=1000, width_out=1))
    fill(adapter, down=[[1.0] * 1000], up=[[0.0]])
    assert torch.equal(adapter(torch.ones(1, 1, 1000), row(7)), row(7))
    fill(adapter, up=[[1.0 / 8]])  # scale 8
    kept = adapter(torch.ones(1, 1, 1000), row(0)).item() / 2
    assert 400 < kept < 600
    assert kept == round(kept)
    adapter.eval()
    assert adapter(torch.ones(1, 1, 1000), row(0)).item() == 1000


@pytest.mark.parametrize("name", ["attn", "ffn", "ffn.act", "norm.attn", "layer", "projection"])
def test_lora_needs_a_linear_layer(name):
    with pytest.raises(RecipeMismatch, match=f"needs a linear layer, and '{name}' is not one"):
        LoRA().build(site(name))


# A(t) = relu(t1 + t2 - 1) * (1, 2) + (0, 1): of x = (1, 3) it is (3, 7), of y = (2, 1) it is (2, 5)
X, Y = (1, 3), (2, 1)


@pytest.mark.parametrize(
    ("settings", "before", "output"),
    [
        ("sequential after off", X, (2, 5)),
        ("sequential after on", X, (4, 6)),
        ("parallel after off", X, (4, 6)),
        ("parallel after on", X, (6, 7)),
        ("parallel before off", X, (5, 8)),
        ("parallel before on", X, (6, 11)),
        ("sequential before off", (3, 7), (5, 8)),  # given the new x: y + A(x)
        ("sequential before on", (4, 10), Y),
    ],
)
def test_the_table_of_the_bottleneck(settings, before, output):
    insertion, position, residual = settings.split()
    method = Bottleneck(
        width=1,
        insertion=insertion,
        position=position,
        residual=residual == "on",
        activation="relu",
    )
    adapter = method.build(site("ffn"))
    fill(
        adapter,
        down__weight=[[1.0, 1.0]],
        down__bias=[-1.0],
        up__weight=[[1.0], [2.0]],
        up__bias=[0.0, 1.0],
    )
    x = adapter.before(row(*X))
    assert torch.equal(x, row(*before))
    assert torch.equal(adapter(x, row(*Y)), row(*output))


@pytest.mark.parametrize(
    ("method", "starts"),
    [
        (Bottleneck(), True),
        (Bottleneck(insertion="parallel"), True),
        (Bottleneck(insertion="parallel", position="before"), True),
        (Bottleneck(position="before"), True),
        (Bottleneck(residual=False), False),
        (Bottleneck(insertion="parallel", residual=True), False),
        (Bottleneck(position="before", residual=False), False),
    ],
)
def test_a_bottleneck_says_whether_it_starts_as_the_identity(method, starts):
    assert method.starts_as_identity is starts


def test_the_width_of_a_bottleneck_is_given_or_divided():
    assert Bottleneck(width=5).build(site("ffn", 24, 24)).down.weight.shape == (5, 24)
    assert Bottleneck(reduction=64).build(site("ffn", 768, 768)).down.weight.shape == (12, 768)
    with pytest.raises(RecipeMismatch, match=r"a reduction of 64 leaves no channel at ffn in lay"):
        Bottleneck(reduction=64).build(site("ffn", 24, 24))
    with pytest.raises(RecipeMismatch, match="which is 24 wide; choose a smaller reduction"):
        LoRA(reduction=64).build(site("attn.q", 24, 24))


def test_a_bottleneck_that_adds_its_input_needs_equal_widths():
    wide = site("ffn.in", 24, 40)
    for settings in ({}, {"residual": False}, {"insertion": "parallel", "residual": True}):
        with pytest.raises(
            RecipeMismatch, match=r"24 channels at ffn\.in in layer 0 instead of 40"
        ):
            Bottleneck(width=3, position="before", **settings).build(wide)
    parallel = Bottleneck(width=3, position="before", insertion="parallel").build(wide)
    assert (parallel.down.weight.shape, parallel.up.weight.shape) == ((3, 24), (40, 3))


def test_a_bottleneck_after_works_where_the_width_changes():
    adapter = Bottleneck(width=3).build(site("ffn.in", 24, 40)).eval()
    y = torch.randn(1, 2, 40)
    assert torch.equal(adapter(torch.randn(1, 2, 24), y), y)


def test_a_bias_is_added():
    adapter = Bias().build(site("ffn.in", 2, 3))
    assert torch.equal(adapter(row(9, 9), row(1, 2, 3)), row(1, 2, 3))
    fill(adapter, bias=[1.0, 0.0, -1.0])
    assert torch.equal(adapter(row(9, 9), row(1, 2, 3)), row(2, 2, 2))


@torch.no_grad()
def test_the_softmax_cancels_the_bias_of_the_key(build, kind, noise):
    from ossicle.adapters.model import AdaptedModel
    from ossicle.recipes.recipe import Recipe

    model = AdaptedModel(build(kind))
    for slot in model.add("a", Recipe.parse("bias@attn.k")).slots:
        slot.adapter.bias.fill_(1.0)
    model.use("a")
    inputs = model.backbone.batch(noise(4000))
    torch.testing.assert_close(
        model.eval().encode(*inputs).hidden, build(kind)(*inputs).hidden, rtol=1e-4, atol=1e-4
    )


def test_norm_tuning_changes_the_gain_and_the_shift():
    adapter = Norm().build(site("norm.attn", 2, 2, eps=0.0))
    fill(adapter, gain=[0.5, 0.25], shift=[10.0, 20.0])
    # x = (1, 5) is normalised to (-1, 1), and y would be to (1, -1)
    assert torch.equal(adapter(row(1, 5), row(3, -2)), row(3 - 0.5 + 10, -2 + 0.25 + 20))


@pytest.mark.parametrize("name", ["attn", "attn.q", "ffn", "projection"])
def test_norm_tuning_needs_a_norm(name):
    with pytest.raises(RecipeMismatch, match=f"trains a LayerNorm, and '{name}' is not one"):
        Norm().build(site(name))


def test_full_fine_tuning_inserts_nothing():
    assert isinstance(Full().build(site("layer")), TrainInPlace)


def test_full_fine_tuning_needs_parameters_to_train():
    between = Site("ffn.act", 0, *PORTS, 40, 40, 0, owned_modules=())
    with pytest.raises(RecipeMismatch, match=r"'ffn.act' has no parameters of its own"):
        Full().build(between)


@pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)
def test_a_method_is_its_settings(method: type[Method]):
    assert method.from_settings({}) == method()
    assert method().settings() == {}
    assert method.name in METHODS
    assert method.default_at


def test_settings_are_those_that_differ_from_the_defaults():
    method = LoRA.from_settings({"rank": 4, "alpha": 8, "scale": 2})
    assert method.settings() == {"rank": 4, "scale": 2}
    assert Bottleneck(residual=True).settings() == {"residual": True}
    assert Bottleneck.from_settings({"reduction": None}) == Bottleneck()
    with pytest.raises(RecipeError, match="is none; expected a whole number"):
        Bottleneck.from_settings({"width": None})


@pytest.mark.parametrize(
    ("normalise", "slot"),
    [
        ("none", (10.5, 6.0)),  # phi = (0, 0): both frames count half; (3, 4) and (18, 8) mixed
        ("width", (10.5, 6.0)),  # of the frames themselves
        ("experts", (0.75692, 0.60308)),  # of (0.6, 0.8) and (0.91381, 0.40614)
    ],
)
def test_what_the_slots_of_a_soft_mixture_of_adapters_are_mixed_from(normalise, slot):
    """One adapter, one slot, phi = 0: every logit is 0, so every frame is given A(mean frame)."""
    adapter = MoA(routing="soft", experts=1, width=2, normalise=normalise).build(site("attn"))
    identity = [[1.0, 0.0], [0.0, 1.0]]
    fill(adapter, phi=[[[0.0]], [[0.0]]], downs__0__weight=identity, downs__0__bias=[0.0, 0.0])
    fill(adapter, ups__0__weight=identity, ups__0__bias=[0.0, 0.0])
    frames = torch.tensor([[[3.0, 4.0], [18.0, 8.0]]])
    given_back = [value * 0.5 * (1 + math.erf(value / math.sqrt(2))) for value in slot]  # GELU
    made = adapter(frames, torch.zeros(1, 2, 2), None)
    torch.testing.assert_close(made, torch.tensor([[given_back] * 2]), rtol=1e-4, atol=1e-4)
