"""LoRA in peft: `lora_A` is `down`, `lora_B` is `up`, and the scale follows from four settings.

    scale = alpha / r, or alpha / sqrt(r) with rsLoRA; alpha may differ by module: `alpha_pattern`

The rank is that of the tensors, so `r` and `rank_pattern` need not be read. A pattern is a regular
expression for the end of a module's path, after a dot; the first one that matches counts.

Source: peft 0.21, `peft.utils.other.get_pattern_key`; Kalajdzievski 2023 (rsLoRA),
https://arxiv.org/abs/2312.03732.
"""

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from torch import Tensor

from ossicle.adapters.slots import Slot
from ossicle.anatomy import Site
from ossicle.convert.peft.file import CONFIG, PeftFile
from ossicle.convert.peft.modules import Modules, check_shape
from ossicle.convert.peft.placed import Placed, Read
from ossicle.convert.peft.plan import Plan
from ossicle.errors import AdapterFileError, ExportError, RecipeMismatch, listing
from ossicle.methods import LoRA
from ossicle.methods.lora import LoRAAdapter
from ossicle.settings import Limits, check_value

KIND: Final = "LORA"
ENDS: Final = {"lora_A.weight": "down", "lora_B.weight": "up"}
ALPHA: Final = Limits(0, 1_000_000, above=True)


def read_lora(file: PeftFile, modules: Modules) -> tuple[Read, dict[str, Tensor]]:
    """Return the LoRA of a file, and the changes of weights of modules outside the backbone.

    Raises:
        AdapterFileError: a tensor is missing, misshapen or of another form of LoRA.
    """
    read, of_head, ignored = Read(), {}, []
    for path, pair in _pairs(file).items():
        down, up = pair["down"], pair["up"]
        scale, alpha = scale_of(file, path, len(down))
        inside = modules.inside(path)
        if inside is None:
            of_head[path] = scale * up @ down
            continue
        site = modules.site(inside)
        if site is None:
            read.unplaced.append(path)
            continue
        if modules.is_uncalled(site):
            ignored.append(path)
            continue
        _check(path, down, up, modules, inside)
        read.placed.append(Placed(site, _method(file, len(down), scale, alpha), pair))
    if ignored:
        read.notices.append(uncalled_notice(ignored, modules))
    return read, of_head


def write_lora(slot: Slot, modules: Modules, plan: Plan, *, headed: bool) -> None:
    """Add a LoRA to what is written.

    Raises:
        ExportError: peft's adapter would change nothing there.
    """
    adapter, inside = slot.adapter, slot.site.owned_modules[0]
    assert isinstance(adapter, LoRAAdapter), "the adapter of the method"
    refuse_uncalled(slot.site, modules)
    path = modules.outside(inside, headed=headed)
    rank = len(adapter.down)
    plan.add({f"{path}.lora_A.weight": adapter.down, f"{path}.lora_B.weight": adapter.up})
    plan.ranks[path] = (rank, adapter.scale * rank)
    plan.dropout = max(plan.dropout, adapter.dropout)


def refuse_uncalled(site: Site, modules: Modules) -> None:
    """Raise ExportError at a module that transformers never calls."""
    if modules.is_uncalled(site):
        raise ExportError(
            f"transformers' {modules.backbone.family.name} reads the weights of the module at "
            f"{site} and never calls it, so peft's adapter there would change nothing. Merge it "
            "into a checkpoint, in which it acts: ossicle merge; or train at ffn.in and ffn.out"
        )


def uncalled_notice(paths: Sequence[str], modules: Modules) -> str:
    """Return what adapters mean at modules that transformers never calls."""
    return (
        f"{len(paths)} adapters are left out ({listing(paths, 2)}): transformers' "
        f"{modules.backbone.family.name} reads the weights of these modules and never calls them, "
        "so peft's adapters there do nothing and never trained. Without them the outputs are those "
        "of peft, unless the adapter is merged there: merge_and_unload() lets them act"
    )


def scale_of(file: PeftFile, path: str, rank: int) -> tuple[float, float | None]:
    """Return the scale of a module and, if the scale is alpha / rank, that alpha."""
    config = file.config
    where = f"lora_alpha in '{file.folder / CONFIG}'"
    alpha = config.get("lora_alpha", 8)
    for pattern, value in _patterns(config, "alpha_pattern").items():
        if _matches(pattern, path):
            alpha = value
            break
    check_value(where, alpha, (float,), ALPHA, AdapterFileError)
    if config.get("use_rslora"):
        return float(alpha) / math.sqrt(rank), None
    return float(alpha) / rank, float(alpha)


def _method(file: PeftFile, rank: int, scale: float, alpha: float | None) -> LoRA:
    dropout = file.config.get("lora_dropout") or 0.0
    where = f"lora_dropout in '{file.folder / CONFIG}'"
    check_value(where, dropout, (float,), Limits(0, 0.999999), AdapterFileError)
    if alpha is None:
        return LoRA(rank=rank, scale=scale, dropout=float(dropout))
    return LoRA(rank=rank, alpha=alpha, dropout=float(dropout))


def _check(path: str, down: Tensor, up: Tensor, modules: Modules, inside: str) -> None:
    weight: Any = modules.module(inside).weight
    width_out, width_in = weight.shape
    check_shape(f"{path}.lora_A", down, (len(down), width_in), modules.backbone)
    check_shape(f"{path}.lora_B", up, (width_out, len(down)), modules.backbone)
    if len(down) > min(width_in, width_out):
        raise RecipeMismatch(
            f"'{path}' has rank {len(down)}, more than its narrower side, "
            f"{min(width_in, width_out)}, and ossicle's LoRA goes up to that. Reduce the rank, "
            "which loses nothing: keep the largest singular values of lora_B @ lora_A"
        )


def _pairs(file: PeftFile) -> dict[str, dict[str, Tensor]]:
    """Return `down` and `up` by the path of their module."""
    found: dict[str, dict[str, Tensor]] = {}
    strange = []
    for key, tensor in file.tensors.items():
        if "lora_" not in key:
            continue
        path, end = key.split(".lora_", 1)
        name = ENDS.get(f"lora_{end}")
        if name is None or tensor.ndim != 2:
            strange.append(key)
        else:
            found.setdefault(path, {})[name] = tensor
    lacking = [path for path, pair in found.items() if len(pair) < len(ENDS)]
    lacking += [path for path, pair in found.items() if 0 in [t.numel() for t in pair.values()]]
    if strange or lacking:
        raise AdapterFileError(
            f"'{file.folder}' is not a plain LoRA of linear layers: "
            f"{listing(strange or lacking, 3)}. Expected a lora_A.weight (r, D) and a "
            "lora_B.weight (D, r) for each module"
        )
    return found


def _patterns(config: Mapping[str, Any], key: str) -> dict[str, Any]:
    found = config.get(key)
    return found if isinstance(found, dict) else {}


def _matches(pattern: str, path: str) -> bool:
    try:
        return re.match(rf"(.*\.)?({pattern})$", path) is not None
    except re.error as error:
        raise AdapterFileError(
            f"alpha_pattern has {pattern!r:.80}, which is not a regular expression ({error})"
        ) from error
