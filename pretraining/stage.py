"""Shared by both pretrainings: options, learning rate schedule, complete checkpoints."""

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

CHECKPOINT: Final = "checkpoint.safetensors"
HELD: Final = 0.45  # of all steps, before the rate falls


def parser(about: str, name: str, steps: int, lr: float) -> argparse.ArgumentParser:
    """Return a parser of the options that both pretrainings have."""
    made = argparse.ArgumentParser(description=about)
    made.add_argument("--speech", type=Path, default=Path("pretraining/made/speech"))
    made.add_argument("--sounds", type=Path, default=Path("pretraining/made/sounds"))
    made.add_argument("--out", type=Path, default=Path("pretraining/made") / name)
    made.add_argument("--steps", type=int, default=steps)
    made.add_argument("--lr", type=float, default=lr)
    made.add_argument("--seed", type=int, default=0)
    made.add_argument("--threads", type=int, default=2)
    made.add_argument("--device", default="cpu", help="cpu or cuda")
    return made


def named_parameters(**modules: nn.Module) -> dict[str, nn.Parameter]:
    """Return the parameters of all modules, with the name of the module before each name."""
    return {f"{k}.{n}": p for k, module in modules.items() for n, p in module.named_parameters()}


def rate(step: int, steps: int, highest: float, warmup: int = 400) -> float:
    """Return the learning rate: linear warm-up, constant, then linear decay to 0."""
    if step < warmup:
        return highest * (step + 1) / warmup
    return highest * min(1.0, max(0.0, (steps - step) / (steps * (1 - HELD))))


def save(
    folder: Path,
    step: int,
    parameters: Mapping[str, nn.Parameter],
    optimizer: torch.optim.AdamW,
    others: Mapping[str, Tensor],
) -> None:
    """Write parameters, AdamW's moments and other tensors to one file, replacing the last."""
    names = {id(parameter): name for name, parameter in parameters.items()}
    tensors = {f"parameter/{name}": p.detach() for name, p in parameters.items()}
    for parameter, state in optimizer.state.items():
        for kind in ("exp_avg", "exp_avg_sq"):
            tensors[f"{kind}/{names[id(parameter)]}"] = state[kind]
    tensors |= {f"other/{name}": value for name, value in others.items()}
    tensors["step"] = torch.tensor(step)
    partial = folder / "checkpoint.partial"
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, partial)
    partial.replace(folder / CHECKPOINT)


def load(
    folder: Path, parameters: Mapping[str, nn.Parameter], optimizer: torch.optim.AdamW
) -> tuple[int, dict[str, Tensor]]:
    """Fill parameters and moments from a checkpoint; return its step and the other tensors."""
    tensors = load_file(folder / CHECKPOINT)
    step = int(tensors["step"])
    with torch.no_grad():
        for name, parameter in parameters.items():
            parameter.copy_(tensors[f"parameter/{name}"])
            moments = {
                kind: tensors[f"{kind}/{name}"].to(parameter.device)
                for kind in ("exp_avg", "exp_avg_sq")
            }
            optimizer.state[parameter] = {"step": torch.tensor(float(step)), **moments}
    return step, _others(tensors)


def fill(folder: Path, parameters: Mapping[str, nn.Parameter]) -> dict[str, Tensor]:
    """Fill parameters from a checkpoint, to start another stage; return its other tensors."""
    tensors = load_file(folder / CHECKPOINT)
    with torch.no_grad():
        for name, parameter in parameters.items():
            parameter.copy_(tensors[f"parameter/{name}"])
    return _others(tensors)


def _others(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {n.split("/")[1]: t for n, t in tensors.items() if n.startswith("other/")}
