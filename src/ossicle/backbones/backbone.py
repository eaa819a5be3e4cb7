"""A loaded backbone: a frozen model with its anatomy and the way its input is made."""

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy.typing import NDArray
from torch import Tensor, nn

from ossicle.backbones.family import Encoded, Family

FINGERPRINT_VALUES = 64


class Backbone(nn.Module):
    """A frozen model, prepared and described.

    Attributes:
        name: How it was asked for: a shipped name, a hub id, a folder, or `config:<name>`.
        family: What kind of model it is.
        model: The transformers model.
        anatomy: Its sites.
        stochastic: Whether dropout, LayerDrop and SpecAugment of frozen parts act in training.
        fingerprint: A short hash of the weights as loaded, to tell one checkpoint from another;
            empty on the meta device.
        adapted: Whether an AdaptedModel has put adapters on it.
    """

    def __init__(
        self, name: str, family: Family, model: Any, extractor: Any, *, stochastic: bool = False
    ) -> None:
        super().__init__()
        self.name = name
        self.family = family
        self.model = model
        self.extractor = extractor
        self.stochastic = stochastic
        self.adapted = False
        self.anatomy = family.describe(model.config)
        self.requires_grad_(requires_grad=False)
        self.eval()
        counted_only = any(parameter.is_meta for parameter in self.parameters())
        self.fingerprint = "" if counted_only else self._fingerprint()

    @property
    def sample_rate(self) -> int:
        """Samples per second that the model expects."""
        rate: int = self.extractor.sampling_rate
        return rate

    @property
    def min_samples(self) -> int:
        """The shortest wave that makes a frame."""
        return self.family.min_samples(self.model.config, self.extractor)

    @property
    def max_samples(self) -> int | None:
        """The longest wave that the model takes whole; None: any length."""
        return self.family.max_samples(self.model.config, self.extractor)

    def values(self, wave: NDArray[np.float32]) -> Float[Tensor, "..."]:
        """Return what the model takes for one wave (N,): samples, or mel frames.

        The feature extractor of the checkpoint decides on normalisation and mel settings.
        """
        made = self.extractor(wave, sampling_rate=self.sample_rate, return_tensors="np")
        return torch.as_tensor(np.asarray(made["input_values"][0], dtype=np.float32))

    def batch(
        self, waves: Sequence[NDArray[np.float32]]
    ) -> tuple[Float[Tensor, "B ..."], Int[Tensor, " B"]]:
        """Return the values of several waves, padded with zeros, and their lengths."""
        rows = [self.values(wave) for wave in waves]
        lengths = torch.tensor([len(row) for row in rows])
        return nn.utils.rnn.pad_sequence(rows, batch_first=True), lengths

    def forward(self, values: Float[Tensor, "B ..."], lengths: Int[Tensor, " B"]) -> Encoded:
        """Return the frames of a padded batch; padding does not change a row."""
        return self.family.encode(self.model, values, lengths)

    def train(self, mode: bool = True) -> "Backbone":
        """Stay in evaluation mode, so that nothing frozen is random, unless `stochastic`."""
        return super().train(mode and self.stochastic)

    def _fingerprint(self) -> str:
        """Hash the first values of every module that a site owns.

        In half precision and by site: quick, and the same after a change of dtype or a renaming of
        modules.
        """
        digest = hashlib.blake2b(digest_size=8)
        for site in self.anatomy.sites:
            if site.entry is None:
                continue
            for path in site.owns:
                for value in self.model.get_submodule(path).parameters(recurse=False):
                    head = value.detach().flatten()[:FINGERPRINT_VALUES].cpu().half()
                    digest.update(head.numpy().tobytes())
        return digest.hexdigest()
