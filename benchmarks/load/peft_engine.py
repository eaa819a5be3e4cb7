"""peft behind ossicle's HTTP layer: a loop of `set_adapter` and a forward pass under a lock.

This is what peft's documentation leads to for many adapters in one process: the active adapter is
a state of the model, so requests take turns. All else is ossicle's: HTTP, limits, decoding, the
answer. The model is that of transformers, with the weights that ossicle has, and the adapters are
the same ones, so both servers must give the same answers.
"""

import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor
from torch.nn import functional as F

from ossicle.adapters.folder import TENSORS
from ossicle.backbones import load_backbone
from ossicle.data.decode import Wave
from ossicle.serving.catalogue import Entry, read_entry
from ossicle.serving.engine import NONE, Asked, Engine
from speed.theirs import LORA_TARGETS

SITES = {"attn.q": "q_proj", "attn.v": "v_proj"}
PARTS = {"down": "lora_A", "up": "lora_B"}
RANK = 8


class PeftEngine(Engine):
    """Adapters of peft's LoRA with linear heads on the mean over time, on HuBERT."""

    def open(self, folders: Mapping[str, Any], found: Mapping[str, Any] = NONE) -> None:  # noqa: ARG002 - of the base class
        """Load all adapters into peft's model."""
        from peft import LoraConfig, get_peft_model

        for name, folder in folders.items():
            self.catalogue.add(read_entry(name, Path(folder)))
        first = self.catalogue.entries()[0].units[0]
        self._backbone = load_backbone(first.source.facts["backbone"]["name"], device="cpu")
        self._heads: dict[str, tuple[Tensor, Tensor]] = {}
        self._lock = threading.Lock()
        config = LoraConfig(r=RANK, lora_alpha=RANK, target_modules=LORA_TARGETS)
        names = list(folders)
        model = get_peft_model(self._backbone.model, config, adapter_name=names[0])
        for name in names[1:]:
            model.add_adapter(name, config)
        self._model = model.eval()
        self._parameters = dict(model.named_parameters())
        for name, folder in folders.items():
            self._fill(name, load_file(Path(folder) / TENSORS))
        self.state = "ready"

    @torch.no_grad()
    def _fill(self, name: str, tensors: Mapping[str, Tensor]) -> None:
        self._heads[name] = tensors["head/linear.weight"], tensors["head/linear.bias"]
        for key, tensor in tensors.items():
            if key.startswith("head/"):
                continue
            _, layer, site, part = key.split("/")
            path = f"encoder.layers.{layer}.attention.{SITES[site]}.{PARTS[part]}.{name}.weight"
            self._parameters[f"base_model.model.{path}"].copy_(tensor)

    @torch.no_grad()
    def _outputs(self, name: str, wave: Wave) -> Tensor:
        values, _ = self._backbone.row(wave)
        with self._lock:
            begun_s = time.perf_counter()
            self._model.set_adapter(name)
            hidden = self._model(values[None]).last_hidden_state
            self.pace.ran(begun_s, time.perf_counter())
        return F.linear(hidden.mean(1), *self._heads[name])[0]

    def rates(self, entries: Sequence[Entry]) -> list[int]:  # noqa: ARG002 - of the base class
        """Return the sample rate of the backbone."""
        return [self._backbone.sample_rate]

    async def predict(self, asked: Asked) -> dict[str, Any]:
        """Return the answer of one adapter."""
        begun_s = time.perf_counter()
        (entry,) = self.catalogue.chosen(asked.adapters)
        ((rate, wave),) = (await self.decoded(asked.audio, [entry])).items()
        decoded_s = time.perf_counter()
        outputs = await self.in_thread(lambda: self._outputs(entry.name, wave))
        answer = {"adapter": entry.name, "file": asked.file, **entry.task.decode(outputs)}
        times = {"decode": decoded_s - begun_s, "total": time.perf_counter() - begun_s}
        return {
            "answers": [answer],
            "duration_s": len(wave) / rate,
            "ms": {stage: 1000 * seconds for stage, seconds in times.items()},
        }
