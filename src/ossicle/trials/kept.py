"""What a worker keeps between trials, so that the next one starts at once.

Lengths and hashes of recordings, hashes of weights and the output of frozen layers are in the cache
on disk, which all processes share.
"""

import copy
import gc
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ossicle.backbones import Backbone, load_backbone
from ossicle.files import FileState
from ossicle.paths import HERE


class Kept:
    """The backbone that this process loaded last, as it was loaded.

    A trial gets a copy of its modules, which share the parameters. Adapters are attached to the
    copy, so nothing has to be taken off again, whatever became of the trial. If a trial has changed
    the parameters themselves (full fine-tuning, biases, norms), the next one loads them again.
    """

    def __init__(self) -> None:
        self._loaded: _Loaded | None = None

    def load(
        self,
        name: str,
        *,
        decoder: bool = False,
        stochastic: bool = False,
        fast: bool = True,
        device: str = "cpu",
        places: Sequence[Path] = HERE,
    ) -> Backbone:
        """Return a backbone without adapters, equal to what `load_backbone` returns.

        Raises:
            BackboneError: it cannot be loaded.
        """
        request = (
            name,
            decoder,
            stochastic,
            fast,
            device,
            tuple(place.absolute() for place in places),
        )
        if self._loaded is None or not self._loaded.serves(request):
            self._loaded = None
            gc.collect()  # frees its memory before the next one takes more
            backbone = load_backbone(
                name,
                decoder=decoder,
                stochastic=stochastic,
                fast=fast,
                device=device,
                places=places,
            )
            self._loaded = _Loaded(request, backbone, _versions(backbone))
        return self._loaded.copied()


@dataclass(frozen=True)
class _Loaded:
    request: tuple[object, ...]
    backbone: Backbone
    versions: tuple[int, ...]

    def serves(self, request: tuple[object, ...]) -> bool:
        """Return whether loading again would give the same."""
        files = self.backbone.weight_files
        return (
            request == self.request
            and _versions(self.backbone) == self.versions
            and not any(p.requires_grad or p.grad is not None for p in self.backbone.parameters())
            and all((now := FileState.of(one.path)) and now.stamp == one.stamp for one in files)
        )

    def copied(self) -> Backbone:
        """Return a copy with the same parameters."""
        return copy.deepcopy(self.backbone, {id(one): one for one in self.backbone.parameters()})


def _versions(backbone: Backbone) -> tuple[int, ...]:
    """Return how often each parameter has been changed, as autograd counts it."""
    return tuple(parameter._version for parameter in backbone.parameters())
