"""Import an adapter of peft as an adapter folder of ossicle.

The tensors decide which modules are adapted: `target_modules` and `layers_to_transform` chose them
when the adapter was made, and need not be understood again.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeAlias

import torch
from torch import Tensor

from ossicle.adapters.model import AdaptedModel
from ossicle.adapters.saving import save
from ossicle.backbones import Backbone, load_backbone
from ossicle.convert.peft.file import PeftFile, read_peft
from ossicle.convert.peft.heads import read_head
from ossicle.convert.peft.ia3 import read_ia3
from ossicle.convert.peft.lora import read_lora
from ossicle.convert.peft.modules import Modules
from ossicle.convert.peft.names import class_names, source_of, unit_names
from ossicle.convert.peft.placed import Read, fill, recipe_of
from ossicle.convert.peft.whole import read_whole
from ossicle.errors import AdapterFileError, RunError, listing
from ossicle.heads import Head, build_head
from ossicle.recipes.recipe import Recipe
from ossicle.tasks import parse_task
from ossicle.training.folder import check_new

Reader: TypeAlias = Callable[[PeftFile, Modules], tuple[Read, dict[str, Tensor]]]
READERS: Final[Mapping[str, Reader]] = {"LORA": read_lora, "IA3": read_ia3}
WHISPER: Final = ("model.encoder.", "model.decoder.", "decoder.")  # paths in one with its decoder
WRITES: Final = "seq2seq"
MAX_SECONDS: Final = 30.0
MOST_DOTS: Final = 2  # in the name of a parameter of a head: `classifier.dense.weight`


@dataclass(frozen=True, slots=True)
class Imported:
    """What was imported.

    Attributes:
        recipe: Its recipe.
        head: Name of its head; None: it has none.
        outputs: Number of outputs of the head.
        parameters: Number of imported numbers, those of the head included.
        notices: What was left out, and why.
    """

    recipe: Recipe
    head: str | None
    outputs: int
    parameters: int
    notices: tuple[str, ...]


def import_peft(
    source: Path,
    backbone: str,
    out: Path,
    *,
    labels: Sequence[str] | None = None,
    task: str | None = None,
) -> Imported:
    """Write a peft adapter as an adapter folder.

    Args:
        source: Folder of the peft adapter.
        backbone: The model that it was trained on.
        out: Folder to write, new or empty.
        labels: Names of the outputs of its head, in their order.
        task: What the head predicts, as in `ossicle train`; None: a classification, or asr for
            CTC, or seq2seq for a Whisper with its decoder.

    Raises:
        AdapterFileError: the folder is not a peft adapter, or one that ossicle has no equal for.
        RecipeMismatch: it does not fit the backbone.
        RunError: the folder to write is not empty, or the task does not fit the head.
    """
    check_new(out)
    file = read_peft(source)
    writes = any(key.startswith(WHISPER) for key in file.tensors)
    on = load_backbone(backbone, decoder=writes)
    read, head, notices = _read(file, on)
    if writes:
        head = build_head("decoder", on.anatomy, 0)
    _check(file, on, read, head)
    recipe = recipe_of(on, read.placed)
    described, seen = _task(file, on, head, labels, task)
    model = AdaptedModel(on)
    model.add("default", recipe, head)
    model.use("default")
    fill(model, read.placed)
    save(model, out, task=described)
    count = sum(tensor.numel() for tensor in model.tensors().values())
    outputs = 0 if head is None else head.num_outputs
    name = None if head is None else head.name
    return Imported(recipe, name, outputs, count, (*read.notices, *notices, *seen))


def _read(file: PeftFile, backbone: Backbone) -> tuple[Read, Head | None, list[str]]:
    """Return the adapters and the head of a file."""
    modules = Modules(backbone)
    read, parts = read_whole(file, modules)
    deltas: dict[str, Tensor] = {}
    if file.kind in READERS:
        adapters, deltas = READERS[file.kind](file, modules)
        read.add(adapters)
    if file.config.get("bias") == "lora_only" and not _has_biases(file):
        read.notices.append(
            "bias is 'lora_only', and the file holds none of these biases: since version 0.7, peft "
            "trains them and does not save them. The outputs are those that peft computes from the "
            "file"
        )
    _check_known(file, backbone, [*parts, *(f"{path}.weight" for path in deltas)])
    found = read_head(parts, deltas, backbone)
    return read, found.head, found.notices


def _has_biases(file: PeftFile) -> bool:
    """Whether the file holds the bias of a module with LoRA."""
    adapted = {key.split(".lora_")[0] for key in file.tensors if ".lora_" in key}
    return any(
        f"{path}{end}.bias" in file.tensors for path in adapted for end in ("", ".base_layer")
    )


def _check_known(file: PeftFile, backbone: Backbone, outside: Sequence[str]) -> None:
    """Raise AdapterFileError for modules outside the backbone that are no part of a head."""
    strange = [name for name in outside if name.count(".") > MOST_DOTS]
    if strange:
        own = backbone.anatomy.find("attn.q")[0].owned_modules[0]
        raise AdapterFileError(
            f"'{file.folder}' adapts {listing(strange, 2)}, and '{backbone.name}' "
            f"({backbone.anatomy.family}) has no such module; its own have names like '{own}'. The "
            f"adapter was trained on '{file.base or 'another model'}'; name that with --backbone"
        )


def _check(file: PeftFile, backbone: Backbone, read: Read, head: Head | None) -> None:
    """Raise AdapterFileError if something cannot be held, or if nothing is left."""
    if read.unplaced:
        raise AdapterFileError(
            f"'{file.folder}' changes {listing(read.unplaced, 4)}, and in "
            f"{backbone.anatomy.family} no adapter of ossicle can change that, so the outputs "
            "would not be those of peft. Merge it in peft instead, with merge_and_unload() and "
            "save_pretrained(DIR), and use DIR as --backbone"
        )
    if not read.placed and (head is None or head.needs_decoder):
        why = f": {read.notices[0]}" if read.notices else ""
        raise AdapterFileError(f"'{file.folder}' has no adapter that acts{why}")


def _task(
    file: PeftFile,
    backbone: Backbone,
    head: Head | None,
    labels: Sequence[str] | None,
    task: str | None,
) -> tuple[dict[str, Any], list[str]]:
    """Return the description of the task, and notices; a CTC head gets its blank first."""
    if head is None:
        return {}, []
    seen: list[str] = []
    facts: dict[str, Any] = {}
    default = WRITES
    if head.by_frame and not head.needs_decoder:
        default, facts = "asr", {"units": _units(file, backbone, head, labels)}
    elif not head.needs_decoder:
        names, where = class_names(labels, head.num_outputs, backbone.name)
        default, facts = "classification", {"labels": names, "tags": names, "label_smoothing": 0.0}
        notice = (
            f"the classes are named as in {where}"
            if where
            else "the classes have no names; give them in the order of the outputs with --labels"
        )
        seen = [] if labels is not None else [notice]
    kind, settings = parse_task(task or default)
    if kind.needs_decoder != head.needs_decoder or kind.by_frame != head.by_frame:
        raise _other_task(kind.name, head, default)
    try:
        made = kind.from_dict({"name": kind.name, **settings, **facts})
    except AdapterFileError as error:  # it needs more than names of outputs
        raise _other_task(kind.name, head, default) from error
    if head.needs_decoder:
        made.with_tokens(backbone.tokens)  # raises for a language that is missing or unknown
    return {**made.to_dict(), "max_seconds": MAX_SECONDS}, seen


def _other_task(name: str, head: Head, default: str) -> RunError:
    return RunError(
        f"the task {name} does not fit the head of the adapter, which is '{head.name}'; the "
        f"default for it is --task {default}"
    )


def _units(
    file: PeftFile, backbone: Backbone, head: Head, labels: Sequence[str] | None
) -> list[str]:
    """Return the units of a CTC head without its blank, whose output becomes the first."""
    source = source_of(backbone.name)
    folders = (file.folder,) if source is None else (file.folder, source)
    units = unit_names(labels, head.num_outputs, folders)
    _blank_first(head, units.index(""))
    units.remove("")
    return units


@torch.no_grad()
def _blank_first(head: Head, blank: int) -> None:
    """Move the output of the blank to the front, where ossicle has it."""
    rows = [blank, *(row for row in range(head.num_outputs) if row != blank)]
    linear: Any = head.get_submodule("linear")
    linear.weight.copy_(linear.weight[rows])
    linear.bias.copy_(linear.bias[rows])
