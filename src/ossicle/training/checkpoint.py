"""A run's state in one file, `checkpoint.safetensors`, replaced in one step after every epoch.

It contains the trained parameters (those of a way to keep included), both moments of Adam, the loss
scale and the history, with one hash over all of it. The order of recordings, their crops and
dropout depend only on the seed and the number of the epoch, so a run resumes to the same bits
without the state of a random generator.
"""

from pathlib import Path
from typing import Final

import torch
from torch import Tensor

from ossicle import strict_json
from ossicle.adapters.model import AdaptedModel
from ossicle.adapters.saving import put_tensors, read_tensors, serialise_with_digest
from ossicle.errors import RunError
from ossicle.files import replace_file
from ossicle.training.optim import trained
from ossicle.training.state import Epoch, State

CHECKPOINT: Final = "checkpoint.safetensors"
_NOW = "now:"
_HISTORY = "history"
_SCALER = "scaler"
_SECONDS = "seconds"
_STOPPED = "stopped"


def write_checkpoint(folder: Path, model: AdaptedModel, state: State) -> None:
    """Replace the checkpoint of a run.

    Raises:
        RunError: it cannot be written; the previous one is unchanged.
    """
    tensors: dict[str, Tensor] = {}
    for key, parameter in trained(model, state.keep).items():
        tensors[_NOW + key] = parameter.detach().cpu().contiguous()
        for name, value in state.optimizer.state[parameter].items():
            tensors[f"{name}:{key}"] = value.detach().cpu().contiguous()
    history = strict_json.dumps([epoch.to_dict() for epoch in state.history])
    scaler = strict_json.dumps(state.scaler.state_dict())
    metadata = {_HISTORY: history, _SCALER: scaler, _SECONDS: str(state.seconds)}
    if state.stopped:
        metadata[_STOPPED] = "by on_epoch"
    parts = serialise_with_digest(tensors, **metadata)
    replace_file(folder / CHECKPOINT, *parts)


def read_checkpoint(folder: Path, model: AdaptedModel, state: State) -> None:
    """Load the checkpoint of a run into the model and the state; do nothing if there is none.

    Raises:
        AdapterFileError: the checkpoint is damaged.
        RunError: it was written by a run with another recipe.
    """
    file = folder / CHECKPOINT
    if not file.exists():
        return
    tensors, metadata = read_tensors(file)
    now = {k.removeprefix(_NOW): v for k, v in tensors.items() if k.startswith(_NOW)}
    put_tensors(trained(model, state.keep), now, file)
    for key, parameter in trained(model, state.keep).items():
        moments = {name: tensors.get(f"{name}:{key}") for name in ("step", "exp_avg", "exp_avg_sq")}
        if None in moments.values():
            raise RunError(f"'{file}' has no optimiser state for {key}; start a new run")
        state.optimizer.state[parameter] = {
            name: value if name == "step" else _like(value, parameter)
            for name, value in moments.items()
        }
    state.stopped = _STOPPED in metadata
    try:
        state.seconds = float(metadata.get(_SECONDS, 0.0))  # absent in older checkpoints
        state.history[:] = [Epoch(**epoch) for epoch in strict_json.loads(metadata[_HISTORY])]
        scaler = strict_json.loads(metadata[_SCALER])
    except (KeyError, TypeError, ValueError) as error:
        raise RunError(f"'{file}' has no readable training history; start a new run") from error
    if scaler:  # empty where no scaling is needed
        state.scaler.load_state_dict(scaler)


def _like(value: Tensor | None, parameter: Tensor) -> Tensor:
    assert value is not None
    return value.to(parameter.device, torch.get_default_dtype())
