"""What is written of a peft adapter, collected before anything is written."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from ossicle.errors import ExportError

MIXED = "and peft cannot hold both in one adapter"


@dataclass(slots=True)
class Plan:
    """Adapters by the paths of their modules in a transformers model.

    Attributes:
        ranks: Rank and alpha of each module with LoRA.
        dropout: Dropout of LoRA; peft has one for all modules.
        outputs: Modules whose outputs (IA)^3 scales.
        inputs: Modules whose inputs (IA)^3 scales.
        norms: Norms with gain and shift.
        biases: Biases by the path of their module.
        saved: Modules that are saved whole, besides the norms: those of the head.
        tensors: The tensors, by name without `base_model.model.`.
    """

    ranks: dict[str, tuple[int, float]] = field(default_factory=dict)
    dropout: float = 0.0
    outputs: list[str] = field(default_factory=list)
    inputs: list[str] = field(default_factory=list)
    norms: list[str] = field(default_factory=list)
    biases: dict[str, Tensor] = field(default_factory=dict)
    saved: list[str] = field(default_factory=list)
    tensors: dict[str, Tensor] = field(default_factory=dict)

    def add(self, tensors: Mapping[str, Tensor]) -> None:
        """Add tensors.

        Raises:
            ExportError: there is another adapter of the same method at the module.
        """
        if again := self.tensors.keys() & tensors.keys():
            raise ExportError(
                f"two adapters of the run are at the module of '{min(again)}', and peft holds one. "
                "Merge them into a checkpoint instead: ossicle merge"
            )
        self.tensors |= tensors

    def finish(self) -> dict[str, Any]:
        """Return the configuration of the adapter, and name the last tensors.

        Raises:
            ExportError: peft has no adapter with all that is planned.
        """
        scaled = self.outputs + self.inputs
        if self.ranks and scaled:
            raise ExportError(f"the run has LoRA and (IA)^3, {MIXED}. Merge it: ossicle merge")
        if self.biases and not self.ranks:
            raise ExportError(
                "the run trains biases without LoRA, and peft trains biases with LoRA alone. Merge "
                "it into a checkpoint: ossicle merge"
            )
        for path, bias in self.biases.items():
            inner = ".base_layer" if path in self.ranks else ""
            self.add({f"{path}{inner}.bias": bias})
        saved = [*self.saved, *(self.norms if self.ranks or scaled else [])]
        common = {"inference_mode": True, "modules_to_save": saved or None, "task_type": None}
        if self.ranks:
            return common | self._lora()
        if scaled:
            return common | {
                "peft_type": "IA3",
                "target_modules": scaled,
                "feedforward_modules": self.inputs,
                "fan_in_fan_out": False,
                "init_ia3_weights": True,
            }
        for path in self.norms:
            for name in ("weight", "bias"):
                self.tensors[f"{path}.ln_tuning_layers.{name}"] = self.tensors.pop(f"{path}.{name}")
        return common | {"peft_type": "LN_TUNING", "target_modules": self.norms}

    def _lora(self) -> dict[str, Any]:
        """Return the settings of LoRA, with patterns for modules that differ from the first."""
        rank, alpha = next(iter(self.ranks.values()))
        return {
            "peft_type": "LORA",
            "r": rank,
            "lora_alpha": _whole(alpha),
            "rank_pattern": {path: r for path, (r, _) in self.ranks.items() if r != rank},
            "alpha_pattern": {path: _whole(a) for path, (_, a) in self.ranks.items() if a != alpha},
            "lora_dropout": self.dropout,
            "target_modules": list(self.ranks),
            "bias": "all" if self.biases else "none",
            "fan_in_fan_out": False,
            "init_lora_weights": True,
            "use_rslora": False,
            "use_dora": False,
        }


def _whole(alpha: float) -> int | float:
    return int(alpha) if alpha == int(alpha) else alpha
