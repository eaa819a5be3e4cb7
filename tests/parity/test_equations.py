"""Every method against an independent implementation of its equation, in float64.

A transformer layer is written in plain operations on the weights of a tiny model, with a place for
each thing that a method may change:

    pre-norm    u = LN1(x);  h = x + attn(u);  z = LN2(h);  out = h + ffn(z)      AST, HuBERT large
    post-norm   u = x;  h = LN1(x + attn(u));  z = h;  out = LN2(h + ffn(z))      HuBERT base

Adapters have random nonzero weights. Compared are the whole output of the layer, or of the
transformer, and the gradients of every tensor of the method and of the input.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
import torch
from torch import Tensor

from ossicle.adapters.check import attach
from ossicle.adapters.model import AdaptedModel
from ossicle.backbones import Backbone
from ossicle.recipes.recipe import Recipe

HEADS = 2
KINDS = ["ast", "hubert-pre-norm", "hubert"]
Tensors = dict[str, Tensor]


def gelu(t: Tensor) -> Tensor:
    return t * 0.5 * (1 + torch.erf(t / math.sqrt(2)))


def norm(t: Tensor, gain: Tensor | float = 1.0, shift: Tensor | float = 0.0, eps=1e-5) -> Tensor:
    centred = t - t.mean(-1, keepdim=True)
    variance = centred.square().mean(-1, keepdim=True)
    return centred / (variance + eps).sqrt() * gain + shift


def linear(t: Tensor, tensors: Tensors, name: str) -> Tensor:
    made = t @ tensors[f"{name}.weight"].T
    return made + tensors[f"{name}.bias"] if f"{name}.bias" in tensors else made


def same(*given: Any) -> Any:
    return given[-1]


@dataclass
class Places:
    """Changes by a method at each place of a layer; the identity by default."""

    into_layer: Callable = same  # x
    into_attn: Callable = same  # u
    q: Callable = same  # u, q
    k: Callable = same
    v: Callable = same
    kv: Callable = lambda k, v: (k, v)
    o: Callable = same  # heads side by side, o
    attn: Callable = same  # u, a
    norm_attn: Callable = same  # input and output of the norm without gain
    into_ffn: Callable = same  # z
    ffn_in: Callable = same  # z, inner
    act: Callable = same  # inner, after the non-linearity
    ffn_out: Callable = same  # after the non-linearity, y
    ffn: Callable = same  # seen: x, u, residual before LN1, z, act; y
    into_norm_ffn: Callable = same
    out: Callable = same  # x, out


@dataclass
class Seen:
    """Tensors that an equation may read besides those of its own place."""

    x: Tensor | None = None
    into_norm_attn: Tensor | None = None
    z: Tensor | None = None
    act: Tensor | None = None
    more: Tensors = field(default_factory=dict)


NAMES = {
    "ast": ("attention.{}_proj", "attention.o_proj", "mlp.fc1", "mlp.fc2"),
    "hubert": (
        "attention.{}_proj",
        "attention.out_proj",
        "feed_forward.intermediate_dense",
        "feed_forward.output_dense",
    ),
}


class Plain:
    """One layer of a tiny model, as equations."""

    def __init__(self, backbone: Backbone, layer: int) -> None:
        family = backbone.anatomy.family
        prefix = f"layers.{layer}." if family == "ast" else f"encoder.layers.{layer}."
        state = backbone.model.state_dict()
        self.w = {
            n.removeprefix(prefix): v.clone() for n, v in state.items() if n.startswith(prefix)
        }
        self.qkv, self.o, self.into, self.out = NAMES[family]
        self.pre_norm = "norm.final" in backbone.anatomy.site_names
        self.norms = (
            ("layernorm_before", "layernorm_after")
            if family == "ast"
            else ("layer_norm", "final_layer_norm")
        )
        self.eps = 1e-12 if family == "ast" else 1e-5

    def ln(self, number: int, t: Tensor) -> Tensor:
        name = self.norms[number]
        return norm(t, self.w[f"{name}.weight"], self.w[f"{name}.bias"], self.eps)

    def attn(self, u: Tensor, at: Places) -> Tensor:
        u = at.into_attn(u)
        q, k, v = (
            change(u, linear(u, self.w, self.qkv.format(letter)))
            for letter, change in (("q", at.q), ("k", at.k), ("v", at.v))
        )
        k, v = at.kv(k, v)
        size = q.shape[-1] // HEADS
        mixed = []
        for head in range(HEADS):
            part = slice(head * size, (head + 1) * size)
            scores = q[..., part] @ k[..., part].transpose(1, 2) / size**0.5
            mixed.append(scores.softmax(-1) @ v[..., part])
        both = torch.cat(mixed, -1)
        return at.attn(u, at.o(both, linear(both, self.w, self.o)))

    def ffn(self, z: Tensor, at: Places, seen: Seen) -> Tensor:
        seen.z = z = at.into_ffn(z)
        inner = at.ffn_in(z, linear(z, self.w, self.into))
        seen.act = at.act(inner, gelu(inner))
        made = at.ffn_out(seen.act, linear(seen.act, self.w, self.out))
        return at.ffn(seen, made)

    def __call__(self, x: Tensor, at: Places) -> Tensor:
        entered = x
        x = at.into_layer(x)
        seen = Seen(x=x)
        if self.pre_norm:
            seen.into_norm_attn = x
            h = x + self.attn(at.norm_attn(x, self.ln(0, x)), at)
            seen.more["h"] = h
            out = h + self.ffn(self.ln(1, at.into_norm_ffn(h)), at, seen)
        else:
            seen.into_norm_attn = x + self.attn(x, at)
            h = at.norm_attn(seen.into_norm_attn, self.ln(0, seen.into_norm_attn))
            out = self.ln(1, at.into_norm_ffn(h + self.ffn(h, at, seen)))
        return at.out(entered, out)


def bottleneck(t: Tensor, w: Tensors, act: Callable = gelu) -> Tensor:
    return linear(act(linear(t, w, "down")), w, "up")


def quick(t: Tensor) -> Tensor:
    return t / (1 + torch.exp(-1.702 * t))


def conv(t: Tensor, weight: Tensor, bias: Tensor | None = None, groups: int = 1) -> Tensor:
    """A convolution over (B, T, C) with as many frames out as in, one product for each tap."""
    outs, per_group, kernel = weight.shape
    half = kernel // 2
    padded = torch.cat(
        (t.new_zeros(len(t), half, t.shape[2]), t, t.new_zeros(*t[:, :half].shape)), 1
    )
    made = t.new_zeros(*t.shape[:2], outs)
    for group in range(groups):
        rows = slice(group * outs // groups, (group + 1) * outs // groups)
        columns = slice(group * per_group, (group + 1) * per_group)
        part = sum(
            padded[:, i : i + t.shape[1], columns] @ weight[rows, :, i].T for i in range(kernel)
        )
        made = made.clone()
        made[..., rows] = part
    return made if bias is None else made + bias


def convpass(t: Tensor, w: Tensors) -> Tensor:
    low = quick(linear(t, w, "down"))
    return linear(quick(conv(low, w["conv.weight"], w["conv.bias"])), w, "up")


def convpass_over_grid(t: Tensor, w: Tensors) -> Tensor:
    """Convolve patches as an 8 x 4 image, and each token before them by itself."""
    low = quick(linear(t, w, "down"))
    weight, bias = w["conv.weight"], w["conv.bias"]
    made = torch.empty_like(low)
    made[:, :2] = low[:, :2] @ weight[:, :, 1, 1].T + bias
    for row in range(8):
        for column in range(4):
            total = bias
            for i in range(3):
                for j in range(3):
                    y, x = row + i - 1, column + j - 1
                    if 0 <= y < 8 and 0 <= x < 4:
                        total = total + low[:, 2 + 4 * y + x] @ weight[:, :, i, j].T
            made[:, 2 + 4 * row + column] = total
    return linear(quick(made), w, "up")


def lora(scale: float, name: str = "") -> Callable[[Tensors], Callable]:
    return lambda w: lambda x, y: y + scale * (x @ w[f"{name}down"].T @ w[f"{name}up"].T)


def mixture_dense(t: Tensor, w: Tensors) -> Tensor:
    chosen = linear(t, w, "router").exp()
    chosen = chosen / chosen.sum(-1, keepdim=True)
    return sum(chosen[..., n : n + 1] * expert(t, w, n) for n in range(chosen.shape[-1]))


def expert(t: Tensor, w: Tensors, n: int) -> Tensor:
    return linear(gelu(linear(t, w, f"downs.{n}")), w, f"ups.{n}")


def mixture_soft(t: Tensor, w: Tensors, normalise: str = "none") -> Tensor:
    """Soft mixtures of experts mix the frames; the code of mixtures of adapters X = X / |X|."""
    phi, keys, x = w["phi"], t, t
    if normalise != "none":
        keys = t / t.square().sum(-1, keepdim=True).sqrt()
        axis = {"width": 0, "experts": 1}[normalise]
        phi = w["unit"] * phi / phi.square().sum(axis, keepdim=True).sqrt()
    if normalise == "experts":
        x = keys
    width, experts, slots = phi.shape
    logits = keys @ phi.reshape(width, -1)  # (B, T, N * slots)
    dispatch = logits.exp() / logits.exp().sum(1, keepdim=True)
    combine = logits.exp() / logits.exp().sum(2, keepdim=True)
    made = 0.0
    for n in range(experts):
        for s in range(slots):
            column = n * slots + s
            slot = (dispatch[..., column : column + 1] * x).sum(1)  # (B, D)
            made = made + combine[..., column : column + 1] * expert(slot, w, n)[:, None]
    return made


def conv_adapter(t: Tensor, w: Tensors) -> Tensor:
    half = t.shape[-1] // 2
    made = norm(t, w["norm.weight"], w["norm.bias"])
    made = conv(made, w["narrow.weight"], groups=half).clamp(min=0)
    made = conv(made, w["middle.weight"], groups=half)
    made = conv(made, w["widen.weight"], groups=half)
    squeezed = linear(made.mean(1), w, "squeeze").clamp(min=0)
    return t + made / (1 + torch.exp(-linear(squeezed, w, "excite")))[:, None]


PAR = "insertion=parallel, position=before"


def one(
    place: str, equation: Callable[[Tensors], Callable]
) -> Callable[[dict[str, Tensors]], Places]:
    """The places of a recipe with one adapter in the layer."""
    return lambda by_site: Places(**{place: equation(next(iter(by_site.values())))})


# expression in layer 1 -> function from tensors by slot to the changes at each place
IN_A_LAYER: dict[str, Callable[[dict[str, Tensors]], Places]] = {
    "lora(rank=3, alpha=6)@attn.q": one("q", lora(2.0)),
    "lora(rank=3, alpha=1)@attn.k": one("k", lora(1 / 3)),
    "lora(reduction=16, alpha=8, scale=alpha/reduction)@attn.v": one("v", lora(0.5)),
    "lora(rank=2, scale=0.25)@attn.o": one("o", lora(0.25)),
    "lora(rank=2)@ffn.in": one("ffn_in", lora(4.0)),
    "lora(rank=4)@ffn.out": one("ffn_out", lora(2.0)),
    "bias@attn.o": one("o", lambda w: lambda _, y: y + w["bias"]),
    "bias@norm.attn": one("norm_attn", lambda w: lambda _, y: y + w["bias"]),
    "scale@ffn.act": one("act", lambda w: lambda _, y: y * w["gain"]),
    "scale@attn.k": one("k", lambda w: lambda _, y: y * w["gain"]),
    "scale(shift=true)@attn.v": one("v", lambda w: lambda _, y: y * w["gain"] + w["shift"]),
    "gate": one("out", lambda w: lambda _, y: y * 2 / (1 + torch.exp(-w["gate"]))),
    "gate(scale=1)": one("out", lambda w: lambda _, y: y / (1 + torch.exp(-w["gate"]))),
    "prefix(length=3)": one(
        "kv",
        lambda w: (
            lambda k, v: tuple(
                torch.cat((t[:, :1], w[name].expand(len(t), -1, -1), t[:, 1:]), 1)
                for t, name in ((k, "keys"), (v, "values"))
            )
        ),
    ),
    # the six placements of Cappellazzo et al. 2023, and their residuals
    f"bottleneck(width=5, {PAR})@attn": one("attn", lambda w: lambda u, a: a + bottleneck(u, w)),
    "bottleneck(width=5)@attn": one("attn", lambda w: lambda _, a: a + bottleneck(a, w)),
    "bottleneck(width=5, insertion=parallel)@ffn": one(
        "ffn", lambda w: lambda _, y: y + bottleneck(y, w)
    ),
    f"bottleneck(width=5, {PAR})@ffn": one("ffn", lambda w: lambda s, y: y + bottleneck(s.z, w)),
    f"bottleneck(width=5, {PAR}, residual=true)@ffn": one(
        "ffn", lambda w: lambda s, y: y + bottleneck(s.z, w) + s.z
    ),
    "bottleneck(width=5, residual=false)@ffn": one("ffn", lambda w: lambda _, y: bottleneck(y, w)),
    "bottleneck(width=5, activation=relu, scale=0.1)@ffn": one(
        "ffn", lambda w: lambda _, y: y + 0.1 * bottleneck(y, w, lambda t: t.clamp(min=0))
    ),
    "bottleneck(width=5, position=before)@ffn": one(
        "into_ffn", lambda w: lambda z: z + bottleneck(z, w)
    ),
    "bottleneck(width=5, position=before)@norm.ffn": one(
        "into_norm_ffn", lambda w: lambda h: h + bottleneck(h, w)
    ),
    "bottleneck(width=5)@layer": one("out", lambda w: lambda _, y: y + bottleneck(y, w)),
    # reads elsewhere: the parallel adapters of Lin et al. 2024 and PEFT-SER, AdapterBias
    f"bottleneck(width=5, {PAR}, reads=layer)@ffn": one(
        "ffn", lambda w: lambda s, y: y + bottleneck(s.x, w)
    ),
    f"bottleneck(width=5, {PAR}, residual=true, scale=0.1, reads=norm.attn)@ffn": one(
        "ffn",
        lambda w: lambda s, y: y + 0.1 * bottleneck(s.into_norm_attn, w) + s.into_norm_attn,
    ),
    "adapterbias": one("ffn", lambda w: lambda s, y: y + w["vector"] * linear(s.act, w, "alpha")),
    "e-adapter(width=5)": one(
        "ffn",
        lambda w: lambda _, y: y + norm(bottleneck(y, w), w["norm.weight"], w["norm.bias"]),
    ),
    "convpass(width=5)@ffn": one("ffn", lambda w: lambda _, y: y + convpass(y, w)),
    f"convpass(width=5, kernel=5, {PAR})@attn": one(
        "attn", lambda w: lambda u, a: a + convpass(u, w)
    ),
    "moa(experts=3, width=4)": one("attn", lambda w: lambda u, a: a + mixture_dense(u, w)),
    "moa(routing=soft, experts=3, width=4, slots=2)@ffn": one(
        "ffn", lambda w: lambda s, y: y + mixture_soft(s.z, w)
    ),
    "moa(routing=soft, experts=3, width=4, normalise=width)": one(
        "attn", lambda w: lambda u, a: a + mixture_soft(u, w, "width")
    ),
    "moa(routing=soft, experts=3, width=4, normalise=experts)": one(
        "attn", lambda w: lambda u, a: a + mixture_soft(u, w, "experts")
    ),
    "conv-adapter": one("out", lambda w: lambda _, y: conv_adapter(y, w)),
    # hybrid of Lin et al. 2024: LoRA, sequential and parallel adapter in one layer, summed
    "lora(rank=2, alpha=1)@attn.q,attn.v + bottleneck(width=5)@ffn"
    f" + bottleneck(width=4, {PAR}, reads=layer)@ffn": lambda w: Places(
        q=lora(0.5)(w["0/attn.q"]),
        v=lora(0.5)(w["0/attn.v"]),
        ffn=lambda s, y: y + bottleneck(y, w["1/ffn"]) + bottleneck(s.x, w["2/ffn"]),
    ),
    # Hydra, and with the parallel adapter first: each reads the input or output of the block
    f"bottleneck(width=5)@ffn + bottleneck(width=4, {PAR})@ffn": lambda w: Places(
        ffn=lambda s, y: y + bottleneck(y, w["0/ffn"]) + bottleneck(s.z, w["1/ffn"])
    ),
    # Lashkarashvili et al. 2024
    "lora@attn.q,attn.k,attn.v + bottleneck + gate": lambda w: Places(
        q=lora(1.0)(w["0/attn.q"]),
        k=lora(1.0)(w["0/attn.k"]),
        v=lora(1.0)(w["0/attn.v"]),
        ffn=lambda _, y: y + bottleneck(y, w["1/ffn"]),
        out=lambda _, y: y * 2 / (1 + torch.exp(-w["2/layer"]["gate"])),
    ),
}


@torch.no_grad()
def prepared(backbone: Backbone, expression: str) -> AdaptedModel:
    """Attach in float64, with random weights everywhere."""
    backbone.model.double()
    model = attach_double(backbone, Recipe.parse(expression))
    for tensor in model.trainable().values():
        tensor += torch.randn_like(tensor) * 0.3
    return model


def attach_double(backbone: Backbone, recipe: Recipe) -> AdaptedModel:
    model = AdaptedModel(backbone)
    model.add("a", recipe)
    model.use("a")
    return model.double().eval()


def tensors_of(model: AdaptedModel) -> dict[str, dict[str, Tensors]]:
    """Every tensor by layer, then by placement and site."""
    found: dict[str, dict[str, Tensors]] = {}
    for key, tensor in model.trainable().items():
        number, layer, site, name = key.split("/")
        found.setdefault(layer, {}).setdefault(f"{number}/{site}", {})[name] = tensor
    return found


def agree(made: Tensor, expected: Tensor, leaves: list[Tensor]) -> None:
    """Compare outputs, and the gradients of the leaves along a random direction."""
    torch.testing.assert_close(made, expected, rtol=1e-9, atol=1e-9)
    direction = torch.randn_like(made)
    gradients = [
        torch.autograd.grad((output * direction).sum(), leaves) for output in (made, expected)
    ]
    for mine, theirs in zip(*gradients, strict=True):
        assert theirs.any()
        torch.testing.assert_close(mine, theirs, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("expression", IN_A_LAYER)
def test_a_layer_is_the_equation(build, kind, expression):
    backbone = build(kind)
    plain = Plain(double(build(kind)), 1)
    model = prepared(backbone, expression)
    frames = 34 if kind == "ast" else 9
    x = torch.randn(2, frames, 64, dtype=torch.float64, requires_grad=True)
    layer = backbone.model.get_submodule(backbone.anatomy.find("layer")[1].owned_modules[0])
    by_site = tensors_of(model)["1"]
    expected = plain(x, IN_A_LAYER[expression](by_site))
    assert (expected - plain(x, Places())).abs().max() > 0.01
    leaves = [x, *(tensor for tensors in by_site.values() for tensor in tensors.values())]
    agree(first(layer(x)), expected, leaves)


def double(backbone: Backbone) -> Backbone:
    backbone.model.double()
    return backbone


def first(output: Any) -> Tensor:
    return output[0] if isinstance(output, tuple) else output


def test_convpass_over_the_grid_is_a_convolution_of_the_picture(build):
    backbone = build("ast")
    plain = Plain(double(build("ast")), 1)
    model = prepared(backbone, "convpass(width=5, grid=true)")
    x = torch.randn(2, 34, 64, dtype=torch.float64, requires_grad=True)
    (by_name,) = tensors_of(model)["1"].values()
    expected = plain(x, Places(ffn=lambda _, y: y + convpass_over_grid(y, by_name)))
    agree(backbone.model.layers[1](x), expected, [x, *by_name.values()])


def test_chapter_adds_a_copy_of_each_cnn_layer(build):
    for kind in ("hubert", "hubert-pre-norm"):
        backbone = build(kind)
        model = prepared(backbone, "chapter(scale=0.5)")
        plain = double(build(kind)).model.feature_extractor.conv_layers
        x = torch.randn(2, 1, 200, dtype=torch.float64, requires_grad=True)
        for number, stride in enumerate((20, 4)):
            (w,) = tensors_of(model)[str(number)].values()
            windows = x.unfold(2, w["conv.weight"].shape[2], stride)  # (B, C, T, K)
            made = torch.einsum("bctk,dck->bdt", windows, w["conv.weight"])
            if "norm.weight" in w and kind == "hubert":  # over time
                made = norm(made, w["norm.weight"][:, None], w["norm.bias"][:, None])
            elif "norm.weight" in w:  # over channels
                made = norm(made.transpose(1, 2), w["norm.weight"], w["norm.bias"]).transpose(1, 2)
            expected = plain[number](x) + 0.5 * gelu(made)
            layer = backbone.model.feature_extractor.conv_layers[number]
            agree(layer(x), expected, [x, *w.values()])
            x = expected.detach().requires_grad_()


# The whole transformer: its input, each layer in plain operations, the final norm.


class Whole:
    """The transformer of a tiny model, with changes before, at and after its layers."""

    def __init__(self, backbone: Backbone) -> None:
        self.model = backbone.model
        self.layers = [Plain(backbone, layer) for layer in range(2)]
        self.is_ast = backbone.anatomy.family == "ast"

    def entered(self, values: Tensor, pseudo: Callable = same) -> Tensor:
        if self.is_ast:
            return self.model.embeddings(values)
        features = self.model.feature_extractor(values).transpose(1, 2)
        return self.model.feature_projection(pseudo(features))

    def states(self, x: Tensor, at: tuple[Places, Places] = (Places(), Places())) -> list[Tensor]:
        """Return the input of each layer, and the output of the transformer."""
        if not self.is_ast:
            x = x + self.model.encoder.pos_conv_embed(x)
            if not self.layers[0].pre_norm:
                x = self.model.encoder.layer_norm(x)
        made = [x]
        for layer, places in zip(self.layers, at, strict=True):
            made.append(layer(made[-1], places))
        if self.layers[0].pre_norm:
            last = self.model.layernorm if self.is_ast else self.model.encoder.layer_norm
            made[-1] = last(made[-1])
        return made


def replaced(deep: Tensor, start: int) -> Callable:
    def change(x: Tensor) -> Tensor:
        new = deep.expand(len(x), -1, -1)
        return torch.cat((x[:, :start], new, x[:, start + len(deep) :]), 1)

    return change


def inserted(new: Tensor, start: int) -> Callable:
    return lambda x: torch.cat((x[:, :start], new.expand(len(x), -1, -1), x[:, start:]), 1)


def shallow(whole: Whole, values: Tensor, w: dict[str, dict[str, Tensors]]) -> Tensor:
    start = 1 if whole.is_ast else 0
    x = inserted(w["-"]["0/encoder"]["prompts"], start)(whole.entered(values))
    y = whole.states(x)[-1]
    return torch.cat((y[:, :start], y[:, start + 3 :]), 1)


def deep_kept(whole: Whole, values: Tensor, w: dict[str, dict[str, Tensors]]) -> Tensor:
    start = 1 if whole.is_ast else 0
    x = inserted(w["-"]["0/encoder"]["prompts"], start)(whole.entered(values))
    deep = Places(into_layer=replaced(w["1"]["1/layer"]["prompts"], start))
    return whole.states(x, (Places(), deep))[-1]


def through_each_layer(whole: Whole, values: Tensor, w: dict[str, dict[str, Tensors]]) -> Tensor:
    start = 1 if whole.is_ast else 0
    at = tuple(
        Places(
            into_layer=inserted(w[str(layer)]["0/layer"]["prompts"], start),
            out=lambda _, y: torch.cat((y[:, :start], y[:, start + 3 :]), 1),
        )
        for layer in range(2)
    )
    return whole.states(whole.entered(values), at)[-1]


def paper_d_prompts(whole: Whole, values: Tensor, w: dict[str, dict[str, Tensors]]) -> Tensor:
    x = whole.entered(values)  # CLS, the distillation token, patches
    new = w["-"]["0/encoder"]["prompts"].expand(len(x), -1, -1)
    x = torch.cat((x[:, :1], new, x[:, 2:]), 1)
    deep = Places(into_layer=replaced(w["1"]["1/layer"]["prompts"], 1))
    return whole.states(x, (Places(), deep))[-1]


def pseudo(nonlinear: bool, suffix: bool, at: str) -> Callable:
    def run(whole: Whole, values: Tensor, w: dict[str, dict[str, Tensors]]) -> Tensor:
        (t,) = w["-"].values()
        new = t["features"]
        if nonlinear:
            new = linear(torch.tanh(linear(new, t, "network.0")), t, "network.2")

        def put(x: Tensor) -> Tensor:
            parts = (x, new.expand(len(x), -1, -1))
            return torch.cat(parts if suffix else parts[::-1], 1)

        x = whole.entered(values, put) if at == "transformer" else put(whole.entered(values))
        y = whole.states(x)[-1]
        return y[:, : y.shape[1] - 4] if suffix else y[:, 4:]

    return run


def weighted(normalise: bool = False, gated: bool = False) -> Callable:
    def run(whole: Whole, values: Tensor, w: dict[str, dict[str, Tensors]]) -> Tensor:
        (t,) = w["-"].values()
        weights = t["weights"].exp() / t["weights"].exp().sum()
        total = 0.0
        for number, state in enumerate(whole.states(whole.entered(values))):
            if gated:
                state = state * 2 / (1 + torch.exp(-t["gates"][number]))
            total = total + weights[number] * (norm(state) if normalise else state)
        return total

    return run


def l_adapters(whole: Whole, values: Tensor, w: dict[str, dict[str, Tensors]]) -> Tensor:
    (t,) = w["-"].values()
    mix = t["mix"].exp() / t["mix"].exp().sum()
    total = 0.0
    for layer, state in enumerate(whole.states(whole.entered(values))[1:]):
        made = gelu(state @ t["weight"][layer].T + t["bias"][layer])
        total = total + mix[layer] * norm(made, t["gain"][layer], t["shift"][layer])
    return total


def gated_sum(whole: Whole, values: Tensor, w: dict[str, dict[str, Tensors]]) -> Tensor:
    gates = [w[str(layer)]["0/layer"]["gate"] for layer in range(2)]
    at = tuple(Places(out=lambda _, y, g=g: y * 2 / (1 + torch.exp(-g))) for g in gates)
    states = whole.states(whole.entered(values), at)
    weights = w["-"]["1/layers"]["weights"].softmax(0)
    return sum(weight * state for weight, state in zip(weights, states, strict=True))


SPEECH = KINDS[1:]
OVER_ALL: list[tuple[str, list[str], Callable]] = [
    ("prompt(length=3)", KINDS, shallow),
    ("prompt(length=3)@layer", KINDS, through_each_layer),
    ("prompt(length=3, keep=true) + deep-prompt(length=3)[1:]", KINDS, deep_kept),
    (
        "prompt(length=3, keep=true, drop_distillation=true) + deep-prompt(length=3)[1:]",
        ["ast"],
        paper_d_prompts,
    ),
    ("p-adapter(length=4)", SPEECH, pseudo(False, False, "transformer")),
    ("p-adapter(length=4, where=suffix)", SPEECH, pseudo(False, True, "transformer")),
    ("p-adapter(length=4, nonlinear=true)", SPEECH, pseudo(True, False, "transformer")),
    (
        "p-adapter(length=4, where=suffix, nonlinear=true)@encoder",
        SPEECH,
        pseudo(True, True, "encoder"),
    ),
    ("weighted-sum", KINDS, weighted()),
    ("weighted-sum(normalise=true)", KINDS, weighted(normalise=True)),
    ("weighted-sum(gated=true)", KINDS, weighted(gated=True)),
    ("gate + weighted-sum", KINDS, gated_sum),
    ("l-adapter(width=20)", KINDS, l_adapters),
]


@pytest.mark.parametrize(
    ("expression", "kind", "equation"),
    [(expression, kind, run) for expression, kinds, run in OVER_ALL for kind in kinds],
)
def test_the_transformer_is_the_equation(build, noise, expression, kind, equation):
    backbone, plain = build(kind), double(build(kind))
    model = prepared(backbone, expression)
    values, lengths = backbone.batch(noise(4000, 4000))
    values = values.double()
    expected = equation(Whole(plain), values, tensors_of(model))
    leaves = list(model.trainable().values())
    agree(model.encode(values, lengths).hidden, expected, leaves)


def test_every_method_has_an_equation():
    """A new method needs an equation; methods that train in place are in test_paper_d.

    `skip` has none outside of a mixture.
    """
    named = {word for text in [*IN_A_LAYER, *(one[0] for one in OVER_ALL)] for word in split(text)}
    from ossicle.methods import METHODS

    assert set(METHODS) - named - {"chapter"} == {"full", "norm", "skip"}


def split(expression: str) -> list[str]:
    return [placement.method.name for placement in Recipe.parse(expression).placements]


def test_attach_accepts_the_models_compared_here(build):
    assert attach(build("hubert"), Recipe.parse("moa(routing=soft)")).active == ("default",)
