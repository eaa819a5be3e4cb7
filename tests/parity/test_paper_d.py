"""The layers of Cappellazzo et al. 2023 (https://arxiv.org/abs/2312.03694), as equations.

    u = LN1(x);  a = Attn(u);  h = x + a;  z = LN2(h);  y = FFN(z);  out = h + y
    A(t) = W_up gelu(W_down t + b_down) + b_up

in plain torch operations on the weights of a tiny AST.
"""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from ossicle.adapters.check import attach
from ossicle.recipes.recipe import Recipe

HEADS = 2


class Plain:
    """One AST layer as equations, with the adapters of each test."""

    def __init__(self, model, layer: int) -> None:
        prefix = f"layers.{layer}."
        self.w = {
            name.removeprefix(prefix): value
            for name, value in model.state_dict().items()
            if name.startswith(prefix)
        }

    def linear(self, name: str, t: Tensor) -> Tensor:
        return t @ self.w[f"{name}.weight"].T + self.w[f"{name}.bias"]

    def norm(self, name: str, t: Tensor) -> Tensor:
        centred = t - t.mean(-1, keepdim=True)
        variance = centred.square().mean(-1, keepdim=True)
        normalised = centred / (variance + 1e-12).sqrt()
        return normalised * self.w[f"{name}.weight"] + self.w[f"{name}.bias"]

    def ln1(self, t: Tensor) -> Tensor:
        return self.norm("layernorm_before", t)

    def ln2(self, t: Tensor) -> Tensor:
        return self.norm("layernorm_after", t)

    def attn(self, u: Tensor, dq: Callable = lambda _: 0, dv: Callable = lambda _: 0) -> Tensor:
        q = self.linear("attention.q_proj", u) + dq(u)
        k = self.linear("attention.k_proj", u)
        v = self.linear("attention.v_proj", u) + dv(u)
        size = q.shape[-1] // HEADS
        mixed = []
        for head in range(HEADS):
            part = slice(head * size, (head + 1) * size)
            scores = q[..., part] @ k[..., part].transpose(1, 2) / size**0.5
            mixed.append(scores.softmax(-1) @ v[..., part])
        return self.linear("attention.o_proj", torch.cat(mixed, -1))

    def ffn(self, z: Tensor) -> Tensor:
        return self.linear("mlp.fc2", gelu(self.linear("mlp.fc1", z)))


def gelu(t: Tensor) -> Tensor:
    return t * 0.5 * (1 + torch.erf(t / 2**0.5))


def bottleneck(tensors: dict[str, Tensor], key: str) -> Callable[[Tensor], Tensor]:
    down_w, down_b, up_w, up_b = (
        tensors[f"{key}/{name}"] for name in ("down.weight", "down.bias", "up.weight", "up.bias")
    )
    return lambda t: gelu(t @ down_w.T + down_b) @ up_w.T + up_b


SEQ = "bottleneck(width=5)"
PAR = "bottleneck(width=5, insertion=parallel, position=before)"
SEQ_BEFORE = "bottleneck(width=5, position=before, residual=false)"


def mhsa_par_before(p: Plain, x, a, _):
    u = p.ln1(x)
    h = x + p.attn(u) + a(u)
    return h + p.ffn(p.ln2(h))


def mhsa_after(p: Plain, x, a, _):
    made = p.attn(p.ln1(x))
    h = x + made + a(made)
    return h + p.ffn(p.ln2(h))


def mhsa_seq_before(p: Plain, x, a, _):
    w = a(p.ln1(x))
    h = x + p.attn(w) + w
    return h + p.ffn(p.ln2(h))


def ffn_par_before(p: Plain, x, a, _):
    h = x + p.attn(p.ln1(x))
    z = p.ln2(h)
    return h + p.ffn(z) + a(z)


def ffn_after(p: Plain, x, a, _):
    h = x + p.attn(p.ln1(x))
    y = p.ffn(p.ln2(h))
    return h + y + a(y)


def ffn_seq_before(p: Plain, x, a, _):
    h = x + p.attn(p.ln1(x))
    w = a(p.ln2(h))
    return h + p.ffn(w) + w


def ffn_seq_no_residual(p: Plain, x, a, _):
    h = x + p.attn(p.ln1(x))
    return h + a(p.ffn(p.ln2(h)))


def ffn_par_residual(p: Plain, x, a, _):
    h = x + p.attn(p.ln1(x))
    z = p.ln2(h)
    return h + p.ffn(z) + a(z) + z


def hydra(p: Plain, x, a_seq, a_par):
    h = x + p.attn(p.ln1(x))
    z = p.ln2(h)
    y = p.ffn(z)
    return h + y + a_seq(y) + a_par(z)


def houlsby_par(p: Plain, x, a_attn, a_ffn):
    u = p.ln1(x)
    h = x + p.attn(u) + a_attn(u)
    z = p.ln2(h)
    return h + p.ffn(z) + a_ffn(z)


def houlsby_seq(p: Plain, x, a_attn, a_ffn):
    made = p.attn(p.ln1(x))
    h = x + made + a_attn(made)
    y = p.ffn(p.ln2(h))
    return h + y + a_ffn(y)


def houlsby_mixed(p: Plain, x, a_attn, a_ffn):
    u = p.ln1(x)
    h = x + p.attn(u) + a_attn(u)
    y = p.ffn(p.ln2(h))
    return h + y + a_ffn(y)


# expression, keys of its one or two adapters in layer 1, equation
EQUATIONS = {
    "MHSA-par-before": (f"{PAR}@attn", ("0/1/attn",), mhsa_par_before),
    "MHSA-after": (f"{SEQ}@attn", ("0/1/attn",), mhsa_after),
    "MHSA-seq-before": (f"{SEQ_BEFORE}@attn", ("0/1/attn",), mhsa_seq_before),
    "FFN-par-before": (f"{PAR}@ffn", ("0/1/ffn",), ffn_par_before),
    "FFN-after": (f"{SEQ}@ffn", ("0/1/ffn",), ffn_after),
    "FFN-seq-before": (f"{SEQ_BEFORE}@ffn", ("0/1/ffn",), ffn_seq_before),
    "FFN-seq without residual": (
        "bottleneck(width=5, residual=false)@ffn",
        ("0/1/ffn",),
        ffn_seq_no_residual,
    ),
    "FFN-par with residual": (
        "bottleneck(width=5, insertion=parallel, position=before, residual=true)@ffn",
        ("0/1/ffn",),
        ffn_par_residual,
    ),
    "Hydra": (f"{SEQ}@ffn + {PAR}@ffn", ("0/1/ffn", "1/1/ffn"), hydra),
    "HOU par": (f"{PAR}@attn,ffn", ("0/1/attn", "0/1/ffn"), houlsby_par),
    "HOU seq": (f"{SEQ}@attn,ffn", ("0/1/attn", "0/1/ffn"), houlsby_seq),
    "HOU mixed": (f"{PAR}@attn + {SEQ}@ffn", ("0/1/attn", "1/1/ffn"), houlsby_mixed),
}


@pytest.fixture
def backbone(build):
    return build("ast")


@torch.no_grad()
def adapted_layer(backbone, expression: str) -> tuple[Callable, dict[str, Tensor], Plain]:
    """Return layer 1 of the adapted model, the tensors of its adapters, and the plain layer."""
    plain = Plain(backbone.model, 1)
    model = attach(backbone, Recipe.parse(expression)).eval()
    tensors = model.trainable()
    for tensor in tensors.values():
        tensor += torch.randn_like(tensor) * 0.3
    return backbone.model.layers[1], tensors, plain


@torch.no_grad()
@pytest.mark.parametrize("name", EQUATIONS)
def test_a_layer_is_the_equation_of_the_paper(backbone, name):
    expression, keys, equation = EQUATIONS[name]
    layer, tensors, plain = adapted_layer(backbone, expression)
    x = torch.randn(2, 9, backbone.anatomy.width)
    adapters = [bottleneck(tensors, key) for key in keys]
    expected = equation(plain, x, adapters[0], adapters[-1])
    torch.testing.assert_close(layer(x), expected, rtol=1e-5, atol=1e-5)
    assert (expected - plain_layer(plain, x)).abs().max() > 0.1


def plain_layer(p: Plain, x: Tensor) -> Tensor:
    h = x + p.attn(p.ln1(x))
    return h + p.ffn(p.ln2(h))


@torch.no_grad()
def test_lora_on_q_and_v_is_scaled_by_alpha_over_the_reduction(backbone):
    expression = "lora(reduction=8, alpha=8, scale=alpha/reduction)@attn.q,attn.v"
    layer, tensors, plain = adapted_layer(backbone, expression)

    def delta(site: str) -> Callable[[Tensor], Tensor]:
        down, up = tensors[f"0/1/{site}/down"], tensors[f"0/1/{site}/up"]
        assert down.shape == (8, 64)  # 64 / 8
        return lambda u: (u @ down.T @ up.T) * (8 / 8)

    x = torch.randn(2, 9, 64)
    h = x + plain.attn(plain.ln1(x), delta("attn.q"), delta("attn.v"))
    expected = h + plain.ffn(plain.ln2(h))
    torch.testing.assert_close(layer(x), expected, rtol=1e-5, atol=1e-5)


@torch.no_grad()
@pytest.mark.parametrize(
    ("settings", "scale"),
    [
        ("rank=3, alpha=6", 2.0),
        ("reduction=16, alpha=6", 1.5),
        ("reduction=8, alpha=6, scale=alpha/reduction", 0.75),
        ("rank=3, alpha=6, scale=0.25", 0.25),
    ],
)
def test_lora_merged_by_hand_into_the_weights_gives_the_same_output(
    build, kind, noise, settings, scale
):
    backbone, merged = build(kind), build(kind)
    sites = "attn.q,attn.k,attn.v,attn.o,ffn.in,ffn.out"
    model = attach(backbone, Recipe.parse(f"lora({settings})@{sites}")).eval()
    for slot in model.current.slots:
        adapter = slot.adapter
        adapter.up += torch.randn_like(adapter.up) * 0.1
        weight = merged.model.get_submodule(slot.site.owned_modules[0]).weight
        weight += scale * adapter.up @ adapter.down
    inputs = backbone.batch(noise(4000, 2500))
    encoded, expected = model.encode(*inputs), merged(*inputs)
    real = expected.frame_mask
    assert (expected.hidden - build(kind)(*inputs).hidden)[real].abs().max() > 0.01
    torch.testing.assert_close(encoded.hidden[real], expected.hidden[real], rtol=1e-4, atol=1e-5)


def in_place(model, recipe_slots) -> dict[str, torch.nn.Parameter]:
    """Return the backbone's own biases, gains and shifts that correspond to adapter tensors."""
    found = {}
    for slot in recipe_slots:
        module = model.get_submodule(slot.site.owned_modules[0])
        for name in dict(slot.adapter.named_parameters()):
            own = {"gain": module.weight, "shift": module.bias, "bias": module.bias}[name]
            found[f"{slot.key}/{name}"] = own.requires_grad_()
    return found


@pytest.mark.parametrize(
    ("method", "sites"),
    [
        ("bias", "attn.q attn.k attn.v attn.o ffn.in ffn.out norm.attn norm.ffn"),
        ("norm", "norm.attn norm.ffn"),
    ],
)
def test_bitfit_and_norm_tuning_are_those_in_place_in_output_and_gradient(
    build, kind, noise, method, sites
):
    backbone, other = build(kind), build(kind)
    outer = [s for s in ("norm.input", "norm.final") if s in backbone.anatomy.site_names]
    with_bias = [  # the keys of Whisper have none
        site
        for site in [*sites.split(), *outer]
        if other.model.get_submodule(other.anatomy.find(site)[0].owned_modules[0]).bias is not None
    ]
    model = attach(backbone, Recipe.parse(f"{method}@{','.join(with_bias)}")).eval()
    adapters = model.trainable()
    own = in_place(other.model, model.current.slots)
    assert len({id(parameter) for parameter in own.values()}) == len(adapters)
    with torch.no_grad():
        for key, tensor in adapters.items():
            tensor += torch.randn_like(tensor) * 0.1
            own[key] += tensor
    inputs = backbone.batch(noise(4000, 4000))
    made, expected = model.encode(*inputs).hidden, other(*inputs).hidden
    torch.testing.assert_close(made, expected, rtol=1e-4, atol=1e-5)
    direction = torch.randn_like(made)
    for output in (made, expected):
        (output * direction).sum().backward()
    largest = max(float(parameter.grad.abs().max()) for parameter in own.values())
    for key, tensor in adapters.items():
        assert (tensor.grad - own[key].grad).abs().max() < 1e-5 * largest, key


def test_a_step_of_norm_tuning_is_a_step_of_the_real_gain_and_shift(backbone, build, noise):
    other = build("ast")
    model = attach(backbone, Recipe.parse("norm")).eval()
    adapters = model.trainable()
    own = in_place(other.model, model.current.slots)
    before = {key: value.detach().clone() for key, value in own.items()}
    inputs = backbone.batch(noise(8000))
    direction = torch.randn(backbone.anatomy.width)
    for parameters, run in ((adapters, model.encode), (own, other)):
        optimizer = torch.optim.SGD(parameters.values(), lr=1e-3, momentum=0.9)
        for _ in range(3):
            optimizer.zero_grad()
            (run(*inputs).hidden * direction).sum().backward()
            optimizer.step()
    for key, tensor in adapters.items():
        moved = own[key].detach() - before[key]
        assert moved.any()
        torch.testing.assert_close(tensor.detach(), moved, rtol=1e-3, atol=1e-6)


def test_gelu_here_is_that_of_torch():
    t = torch.linspace(-4, 4, 50)
    torch.testing.assert_close(gelu(t), F.gelu(t))
