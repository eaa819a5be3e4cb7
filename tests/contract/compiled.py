"""Run by test_compiled.py: compiled models against eager ones; a line of JSON for each case.

The argument is the part of the cases to run: quick or thorough.

In a process of its own, because torch.compile does not see through the checks of tensor shapes that
the suite puts around every function.
"""

import json
import sys
import warnings
from functools import partial

import numpy as np
import pytest
import torch
from torch._dynamo.testing import CompileCounterWithBackend

from kinds import KINDS, tiny_backbone
from ossicle.adapters.check import attach
from ossicle.adapters.model import AdaptedModel
from ossicle.errors import AttachError
from ossicle.heads import build_head
from ossicle.inference import AdapterBank
from ossicle.methods import METHODS
from ossicle.recipes.recipe import Recipe

MANY = (
    "lora + bottleneck(insertion=parallel, position=before, reads=layer)@ffn + convpass@attn"
    " + prefix + gate + prompt(length=2) + moa(routing=soft) + weighted-sum"
)
FEW = "lora + bottleneck + prefix + prompt(length=2) + weighted-sum"  # compiles in half the time
SPEECH, PATCHES = "hubert", "ast"  # one with a CNN and one graph break, one without


def attached(kind: str, expression: str) -> AdaptedModel:
    torch.manual_seed(0)
    backbone, recipe = tiny_backbone(kind), Recipe.parse(expression)
    model = attach(backbone, recipe, build_head("mean", recipe.seen_by_head(backbone.anatomy), 3))
    shake(model)
    return model.eval()


@torch.no_grad()
def shake(model: AdaptedModel) -> None:
    for tensor in model.trainable().values():
        tensor += torch.randn_like(tensor) * 0.1


def inputs(model: AdaptedModel) -> tuple[torch.Tensor, torch.Tensor]:
    rng = np.random.default_rng(0)
    return model.backbone.batch([rng.normal(0, 0.1, 4000).astype(np.float32) for _ in range(2)])


def compare(kind: str, expression: str) -> None:
    model = attached(kind, expression)
    given, parameters = inputs(model), list(model.trainable().values())
    expected = model(*given)
    made = torch.compile(model, backend="aot_eager")(*given)
    torch.testing.assert_close(made, expected, rtol=1e-5, atol=1e-5)
    mine, theirs = (
        torch.autograd.grad(output.square().sum(), parameters) for output in (made, expected)
    )
    largest = max(float(gradient.abs().max()) for gradient in theirs)
    for one, other in zip(mine, theirs, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-6 * largest)
    with pytest.raises(AttachError, match="add every set first, then compile"):
        model.add("late", Recipe.parse("bias"))


def one_graph() -> None:
    model = attached(PATCHES, MANY)
    given = inputs(model)
    made = torch.compile(model.encode, backend="eager", fullgraph=True)(*given).hidden
    torch.testing.assert_close(made, model.encode(*given).hidden)


def switching() -> None:
    model = attached(SPEECH, "lora")
    model.add("other", Recipe.parse("bottleneck + gate"))
    compiled, given = torch.compile(model.encode, backend="eager"), inputs(model)
    for name in ("default", "other", "default"):
        model.use(name)
        shake(model)
        with torch.no_grad():
            expected = model.encode(*given).hidden
            torch.testing.assert_close(compiled(*given).hidden, expected, rtol=1e-5, atol=1e-5)


def bank() -> None:
    """Adding, removing and selecting adapter sets does not compile again."""
    count = CompileCounterWithBackend("aot_eager")
    compiled = AdapterBank(
        tiny_backbone(SPEECH), places=64, compiler=partial(torch.compile, backend=count)
    )
    plain, recipe = AdapterBank(tiny_backbone(SPEECH)), Recipe.parse("lora + bottleneck")
    rng = np.random.default_rng(0)
    waves = [rng.normal(0, 0.1, 4000).astype(np.float32) for _ in range(4)]
    for number in range(40):
        model = attached(SPEECH, "lora + bottleneck")
        torch.manual_seed(number)
        shake(model)
        tensors = {key: p.detach() for key, p in model.trainable().items()}
        for one in (compiled, plain):
            one.add(f"a{number}", recipe, "mean", 3, tensors)
            if number > 6:
                one.remove(f"a{number - 3}")
        if number > 3:
            names = [plain.names[i % len(plain.names)] for i in (0, 1, -1, 2)]
            made, expected = compiled.outputs(waves, names), plain.outputs(waves, names)
            torch.testing.assert_close(made, expected, rtol=1e-5, atol=1e-5)
    assert count.frame_count == 1, f"{count.frame_count} times compiled"


def kind_for(expression: str) -> str:
    """Return the kind that compiles faster, unless it lacks a site of the recipe."""
    sites = {site for one in Recipe.parse(expression).placements for site in one.at}
    return PATCHES if sites <= set(tiny_backbone(PATCHES).anatomy.site_names) else SPEECH


def main() -> None:
    warnings.simplefilter("ignore")
    quick = {
        "the whole transformer is one graph": one_graph,
        "switching between sets holds": switching,
        "a bank compiles once": bank,
        f"{SPEECH} many methods": (SPEECH, MANY),
    }
    thorough = {
        **{name: (kind_for(m.example or name), m.example or name) for name, m in METHODS.items()},
        **{f"{kind} a few methods": (kind, FEW) for kind in KINDS},
    }
    for name, case in {"quick": quick, "thorough": thorough}[sys.argv[1]].items():
        torch.compiler.reset()
        fault = ""
        try:
            compare(*case) if isinstance(case, tuple) else case()
        except Exception as error:
            fault = f"{type(error).__name__}: {error}"
        sys.stdout.write(json.dumps({"case": name, "fault": fault}) + "\n")


if __name__ == "__main__":
    main()
