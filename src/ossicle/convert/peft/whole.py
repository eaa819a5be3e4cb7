"""Parameters of the backbone that peft saves whole: norms, and biases.

    LN tuning         `ln_tuning_layers.weight` and `.bias` of each norm
    modules_to_save   `weight` and `bias` of a module: a norm, or a part of a head
    bias="all"        `bias` of every module, trained or not

ossicle keeps the difference from the backbone: `norm` for the two of a LayerNorm, `bias` for a bias
alone. A module without a site is left out where nothing differs.
"""

from collections.abc import Mapping
from typing import Any, Final

from torch import Tensor, nn

from ossicle.adapters.slots import Slot
from ossicle.convert.peft.file import PeftFile
from ossicle.convert.peft.modules import Modules, check_shape
from ossicle.convert.peft.placed import Placed, Read
from ossicle.convert.peft.plan import Plan
from ossicle.errors import ExportError
from ossicle.methods import Bias, Norm
from ossicle.methods.bias import BiasAdapter
from ossicle.methods.norm import NormAdapter

KIND: Final = "LN_TUNING"
_MARKS: Final = ("lora_", "ia3_l")


def read_whole(file: PeftFile, modules: Modules) -> tuple[Read, dict[str, Tensor]]:
    """Return norms and biases that differ from the backbone's, and the parameters of a head.

    Raises:
        AdapterFileError: one is misshapen.
    """
    read = Read()
    of_head: dict[str, Tensor] = {}
    for path, parts in _by_module(file).items():
        inside = modules.inside(path)
        if inside is None:
            of_head |= {f"{path}.{name}": tensor for name, tensor in parts.items()}
        else:
            read.add(_read_module(path, inside, parts, modules))
    return read, of_head


def _read_module(path: str, inside: str, parts: Mapping[str, Tensor], modules: Modules) -> Read:
    """Return the changes of one module of the backbone."""
    module, site = modules.module(inside), modules.site(inside)
    changed: dict[str, Tensor] = {}
    for name, tensor in parts.items():
        own: Any = getattr(module, name, None)
        if not isinstance(own, nn.Parameter):
            return Read(unplaced=[f"{path}.{name}"])
        check_shape(f"{path}.{name}", tensor, tuple(own.shape), modules.backbone)
        difference = tensor - own.detach().cpu()
        if difference.any():
            changed[name] = difference
    if not changed:
        return Read()
    if site is not None and isinstance(module, nn.LayerNorm) and "weight" in parts:
        whole = {name: parts[name] - getattr(module, name).detach().cpu() for name in parts}
        if whole.keys() == {"weight", "bias"}:
            tensors = {"gain": whole["weight"], "shift": whole["bias"]}
            return Read([Placed(site, Norm(), tensors)])
    if site is not None and changed.keys() == {"bias"}:
        return Read([Placed(site, Bias(), dict(changed))])
    return Read(unplaced=[f"{path}.{name}" for name in changed])


def _by_module(file: PeftFile) -> dict[str, dict[str, Tensor]]:
    """Return the parameters of modules that were saved whole, by the paths of the modules."""
    found: dict[str, dict[str, Tensor]] = {}
    again: dict[str, dict[str, Tensor]] = {}
    for key, tensor in file.tensors.items():
        if any(mark in key for mark in _MARKS) or ".original_module." in key:
            continue
        path, _, name = key.rpartition(".")
        for wrapper in (".base_layer", ".ln_tuning_layers", ".modules_to_save"):
            if path.endswith(wrapper):
                path = path.removesuffix(wrapper)
                target = again if wrapper == ".modules_to_save" else found
                target.setdefault(path, {})[name] = tensor
                break
        else:
            found.setdefault(path, {})[name] = tensor
    for path, parts in again.items():  # what is saved twice is the same
        found[path] = parts | found.get(path, {})
    return found


def write_norm(slot: Slot, modules: Modules, plan: Plan, *, headed: bool) -> None:
    """Add the norm of a site, as the backbone would have it, to what is written."""
    adapter, inside = slot.adapter, slot.site.owned_modules[0]
    assert isinstance(adapter, NormAdapter), "the adapter of the method"
    module: Any = modules.module(inside)
    path = modules.outside(inside, headed=headed)
    plan.norms.append(path)
    weight, bias = module.weight + adapter.gain, module.bias + adapter.shift
    plan.add({f"{path}.weight": weight, f"{path}.bias": bias})


def write_bias(slot: Slot, modules: Modules, plan: Plan, *, headed: bool) -> None:
    """Add the bias of a site, as the backbone would have it, to what is written.

    Raises:
        ExportError: the module has no bias.
    """
    adapter = slot.adapter
    assert isinstance(adapter, BiasAdapter), "the adapter of the method"
    inside = slot.site.last_linear or slot.site.owned_modules[0]
    own: Any = getattr(modules.module(inside), "bias", None)
    path = modules.outside(inside, headed=headed)
    if own is None or path in plan.biases:
        raise ExportError(f"the module at {slot.site} has no bias of its own that peft could save")
    plan.biases[path] = own + adapter.bias
