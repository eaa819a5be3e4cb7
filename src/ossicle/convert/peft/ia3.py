"""(IA)^3 in peft: `ia3_l` is a gain, (D, 1) of a module's outputs or (1, D) of its inputs.

`feedforward_modules` have their inputs scaled, which is the site between two linears (`ffn.act`) if
the module is the second linear of a feed-forward block.
"""

from typing import Any, Final

from torch import Tensor, nn

from ossicle.adapters.slots import Slot
from ossicle.convert.peft.file import PeftFile
from ossicle.convert.peft.lora import refuse_uncalled, uncalled_notice
from ossicle.convert.peft.modules import Modules, check_shape
from ossicle.convert.peft.placed import Placed, Read
from ossicle.convert.peft.plan import Plan
from ossicle.errors import AdapterFileError, ExportError
from ossicle.methods import Scale
from ossicle.methods.scale import ScaleAdapter

KIND: Final = "IA3"
END: Final = ".ia3_l"


def read_ia3(file: PeftFile, modules: Modules) -> tuple[Read, dict[str, Tensor]]:
    """Return the gains of a file; there are none outside the backbone.

    Raises:
        AdapterFileError: a gain is misshapen, or scales a head.
    """
    read, ignored = Read(), []
    for key, gain in file.tensors.items():
        if not key.endswith(END):
            continue
        path = key.removesuffix(END)
        inside = modules.inside(path)
        if inside is None:
            raise AdapterFileError(
                f"'{file.folder}' has (IA)^3 at '{path}', which {modules.backbone.family.name} "
                "does not have, or which belongs to a head. Name the backbone that it was trained "
                "on with --backbone"
            )
        of_inputs = len(gain) == 1 and gain.ndim == 2
        site = modules.act_site(inside) if of_inputs else modules.site(inside)
        if site is None:
            read.unplaced.append(f"{path} ({'inputs' if of_inputs else 'outputs'})")
            continue
        own = modules.site(inside)
        if own is not None and modules.is_uncalled(own):
            ignored.append(path)
            continue
        weight: Any = modules.module(inside).weight
        width_out, width_in = weight.shape
        expected = (1, width_in) if of_inputs else (width_out, 1)
        check_shape(key, gain, expected, modules.backbone)
        read.placed.append(Placed(site, Scale(), {"gain": gain.flatten()}))
    if ignored:
        read.notices.append(uncalled_notice(ignored, modules))
    return read, {}


def write_ia3(slot: Slot, modules: Modules, plan: Plan, *, headed: bool) -> None:
    """Add a gain to what is written.

    Raises:
        ExportError: it has a shift, or is not at a linear layer.
    """
    adapter, site = slot.adapter, slot.site
    assert isinstance(adapter, ScaleAdapter), "the adapter of the method"
    if adapter.shift is not None:
        raise ExportError(
            "scale-and-shift has a shift, and (IA)^3 of peft has none. Merge it: ossicle merge"
        )
    inside = site.next_linear or site.last_linear or site.owned_modules[0]
    if not isinstance(modules.module(inside), nn.Linear):
        raise ExportError(f"(IA)^3 of peft scales linear layers, and {site} is not one")
    own = modules.site(inside)
    refuse_uncalled(own or site, modules)
    path = modules.outside(inside, headed=headed)
    of_inputs = site.next_linear is not None
    (plan.inputs if of_inputs else plan.outputs).append(path)
    plan.add({f"{path}{END}": adapter.gain[None] if of_inputs else adapter.gain[:, None]})
