"""Prove, before any training, that every adapter is reached and every tensor gets a gradient.

An adapter that the forward pass does not go through would train without any effect and without an
error. So `attach` runs one forward and one backward pass on noise. Tensors that start at zero block
the gradient of others (LoRA's `up` blocks `down`), so all tensors are perturbed first and restored
afterwards. A few ReLUs may all be inactive by chance, so tensors without a gradient are perturbed
more strongly before an error is raised.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor, nn

from ossicle.adapters.model import AdaptedModel, check_head
from ossicle.backbones import Backbone
from ossicle.errors import NoGradient, SiteNeverCalled, listing
from ossicle.heads import Head
from ossicle.recipes.recipe import Recipe

PROBE_S = 0.5
NOISE = 0.02
FACTOR = 4.0  # by how much from one attempt to the next
ATTEMPTS = 4


def attach(
    backbone: Backbone, recipe: Recipe, head: Head | None = None, *, name: str = "default"
) -> AdaptedModel:
    """Return the backbone with the recipe's adapters attached, active and proved to work.

    Args:
        backbone: The result of `load_backbone`.
        recipe: The adapters to add.
        head: The head, which maps frames to the output of the task; None: adapters only.
        name: Name of the adapter set.

    Raises:
        SiteNotFound: the backbone has no such site.
        RecipeMismatch: a method does not fit its site, or a layer does not exist.
        SiteNeverCalled: the forward pass does not go through a site.
        NoGradient: a tensor would not train.
    """
    check_head(head, recipe, backbone.anatomy)
    model = AdaptedModel(backbone)
    model.add(name, recipe, head)
    model.use(name)
    check(model)
    return model


def check(model: AdaptedModel) -> None:
    """Raise if a forward pass does not reach an active adapter once, or a tensor would not train.

    Parameters, gradients, the mode and the state of the random generator are left as they were.
    """
    parameters = model.trainable()
    if not parameters:
        return
    dead = list(parameters)
    for seed in range(ATTEMPTS):
        alive = _alive(model, parameters, seed)
        dead = [key for key in dead if key not in alive]
        if not dead:
            break
    if dead:
        raise NoGradient(
            f"{len(dead)} of {len(parameters)} tensors on {model.backbone.anatomy.family} would "
            f"not train, because no gradient reaches them: {listing(dead)}. The model's code does "
            "not use them; choose other sites, or load the model with ossicle.load_backbone"
        )


def _alive(model: AdaptedModel, parameters: dict[str, nn.Parameter], seed: int) -> set[str]:
    """Return the tensors that receive a gradient in one pass, after checking that it is one."""
    device = next(model.parameters()).device
    was_training = model.training
    # frozen ones too: a new candidate changes nothing, which would hide the gradient of its gate
    with _perturbed(list(model.tensors().values()), seed), torch.enable_grad():
        model.eval()
        for tap in model.taps:
            tap.calls = 0
        try:
            output = _output(model, *_probe(model.backbone, device))
            _check_calls(model)
            direction = torch.randn(output.shape, generator=torch.Generator().manual_seed(1))
            gradients = torch.autograd.grad(
                (output * direction.to(output)).sum(),
                list(parameters.values()),
                allow_unused=True,
            )
        finally:
            model.train(was_training)
            for tap in model.taps:
                tap.calls = None
    return {
        key
        for key, gradient in zip(parameters, gradients, strict=True)
        if gradient is not None and bool(gradient.isfinite().all()) and bool(gradient.any())
    }


def _probe(backbone: Backbone, device: torch.device) -> tuple[Tensor, Tensor]:
    size = max(int(PROBE_S * backbone.sample_rate), 2 * backbone.min_samples)
    noise = np.random.default_rng(0).standard_normal((2, size), dtype=np.float32) * 0.1
    values, lengths = backbone.batch(list(noise))
    return values.to(device), lengths.to(device)


def _output(model: AdaptedModel, values: Tensor, lengths: Tensor) -> Tensor:
    if model.head is None:
        return model.encode(values, lengths).hidden
    output: Tensor = model(values, lengths)
    return output


def _runs_decoder(model: AdaptedModel) -> bool:
    return model.head is not None and model.head.needs_decoder


def _check_calls(model: AdaptedModel) -> None:
    active = [tap for tap in model.taps if tap.acts]
    missed = [tap.site for tap in active if tap.calls != 1]
    if any(site.in_decoder for site in missed) and not _runs_decoder(model):
        raise SiteNeverCalled(
            f"{listing(site for site in missed if site.in_decoder)} are in the text decoder, which "
            "the head 'decoder' runs; build it with build_head('decoder', backbone.anatomy, 0), or "
            "train with --task seq2seq"
        )
    if missed:
        raise SiteNeverCalled(
            f"{len(missed)} of {len(active)} sites on {model.backbone.anatomy.family} were not "
            f"called once each by a forward pass: {listing(missed)}. Adapters there would train "
            "to nothing. Some attention code reads a projection's weight without calling it: "
            "load the model through ossicle.load_backbone, which prepares it"
        )


@contextmanager
def _perturbed(parameters: Sequence[nn.Parameter], seed: int) -> Iterator[None]:
    before = [parameter.detach().clone() for parameter in parameters]
    generator = torch.Generator().manual_seed(seed)
    try:
        with torch.no_grad():
            for parameter in parameters:
                noise = torch.randn(parameter.shape, generator=generator) * NOISE * FACTOR**seed
                parameter.add_(noise.to(parameter.device))
        yield
    finally:
        with torch.no_grad():
            for parameter, value in zip(parameters, before, strict=True):
                parameter.copy_(value)
