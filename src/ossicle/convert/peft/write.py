"""Export a trained run as an adapter of peft, for the model as transformers has it.

A head goes along under the names that the class of transformers has for its parts, if that class
computes the same. Otherwise the adapter is for the bare model.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from safetensors.torch import save_file
from torch import Tensor

from ossicle.adapters.folder import read_folder
from ossicle.adapters.model import AdaptedModel
from ossicle.adapters.saving import load, needs_decoder
from ossicle.backbones import load_backbone
from ossicle.backbones.source import SHIPPED
from ossicle.convert.peft.card import write_card
from ossicle.convert.peft.file import CONFIG, PREFIX, TENSORS
from ossicle.convert.peft.ia3 import write_ia3
from ossicle.convert.peft.lora import write_lora
from ossicle.convert.peft.modules import Modules
from ossicle.convert.peft.plan import Plan
from ossicle.convert.peft.whole import write_bias, write_norm
from ossicle.errors import ExportError, MergeError, listing
from ossicle.files import write_json
from ossicle.heads import DecoderHead
from ossicle.methods import Bias, LoRA, Method, Norm, Scale
from ossicle.settings import split_query
from ossicle.tasks import TASKS
from ossicle.training.ensemble_folder import is_ensemble
from ossicle.training.folder import check_new, places_of

BARE: Final = "AutoModel"
FORMS: Final[Mapping[type[Method], Callable[..., None]]] = {
    LoRA: write_lora,
    Scale: write_ia3,
    Norm: write_norm,
    Bias: write_bias,
}
WHY: Final = (
    "peft has LoRA (lora), (IA)^3 (scale) and LN tuning (norm). A linear adapter can be merged "
    "into a checkpoint of transformers: ossicle merge. Any run can be used from Python, "
    "Trained.open(RUN), and most can be written as ONNX: ossicle export onnx"
)
_SETTINGS: Final = ("label2id", "problem_type")  # left out of the line that loads the model


@dataclass(frozen=True, slots=True)
class WrittenHead:
    """The head of a run in the form of transformers.

    Attributes:
        auto: The `Auto...` class that the adapter is for.
        settings: Settings with which it is to be loaded.
        tensors: Parameters of the head.
        why: Why the head is not a part of the adapter; None: it is, or there is none.
    """

    auto: str = BARE
    settings: Mapping[str, Any] = field(default_factory=dict)
    tensors: Mapping[str, Tensor] = field(default_factory=dict)
    why: str | None = None


@dataclass(frozen=True, slots=True)
class Exported:
    """What was written.

    Attributes:
        kind: The type of the peft adapter.
        auto: The `Auto...` class of the model that it is for.
        use: Lines of Python that load it.
        notices: What is not a part of it, and why.
    """

    kind: str
    auto: str
    use: tuple[str, ...]
    notices: tuple[str, ...]


def export_peft(run: Path, out: Path, backbone: str | None = None) -> Exported:
    """Write a run as a peft adapter.

    Args:
        run: A run or adapter folder.
        out: Folder to write, new or empty.
        backbone: Where the backbone is, if not where the run found it.

    Raises:
        ExportError: peft has no adapter that computes the same; the message says why.
        RunError: the folder to write is not empty.
    """
    if is_ensemble(run):
        raise ExportError(f"'{run}' is an ensemble; export its members one by one")
    check_new(out)
    facts = read_folder(run).facts
    name = backbone or facts["backbone"]["name"]
    on = load_backbone(name, decoder=needs_decoder(facts), places=places_of(run))
    model = load(run, on)
    check_exportable(model)
    head = _head(model, facts["task"])
    plan = _plan(model, head)
    config = plan.finish()
    path, options = split_query(name, ExportError)
    config |= {"base_model_name_or_path": path, "revision": options.get("revision")}
    _write(out, config, plan)
    use = write_card(out, path, config, head.auto, head.settings)
    notices = [] if head.why is None else [head.why]
    if (folder := SHIPPED.get(path)) is not None:
        notices.append(f"'{path}' is shipped with ossicle; transformers finds it as '{folder}'")
    return Exported(config["peft_type"], head.auto, use, tuple(notices))


def check_exportable(model: AdaptedModel) -> None:
    """Raise unless all adapters of a model are of a kind that peft has.

    Raises:
        ExportError: with the names of those that are not.
    """
    slots, variant = model.active_slots, model.backbone.family.variant
    unknown = {slot.placement.method.name for slot in slots} - {one.name for one in FORMS}
    if unknown:
        raise ExportError(f"peft has no adapter like {listing(sorted(unknown))}: {WHY}")
    for slot in slots:
        if slot.gate is not None or slot.reads is not None:
            raise ExportError(
                f"'{slot.placement}' {'has a gate' if slot.gate else 'reads another site'}, and "
                f"adapters of peft do not: {WHY}"
            )
    if not slots:
        raise ExportError("the run trains its head alone, and peft has no adapter without a module")
    if variant:
        raise ExportError(
            f"the run processes recordings at another length ({variant}) than transformers does, "
            "so peft would compute other outputs. Train without length"
        )


def _head(model: AdaptedModel, task: Mapping[str, Any]) -> WrittenHead:
    """Return the head in the form of transformers, or why it has none."""
    head, backbone = model.head, model.backbone
    if head is None:
        return WrittenHead()
    if isinstance(head, DecoderHead):
        return WrittenHead("AutoModelForSpeechSeq2Seq")
    try:
        outputs = TASKS[task["name"]].from_dict(task).output_kind()
        found = backbone.family.counterpart(backbone.model.config, head.form(), outputs)
    except MergeError as error:
        why = f"the head is not a part of the adapter, which is for the bare model: {error}"
        return WrittenHead(why=why)
    settings = {key: value for key, value in found.settings.items() if key not in _SETTINGS}
    return WrittenHead(found.auto, settings, found.tensors)


def _plan(model: AdaptedModel, head: WrittenHead) -> Plan:
    """Return what is written of each adapter and of the head."""
    plan, modules, headed = Plan(), Modules(model.backbone), head.auto != BARE
    for slot in model.active_slots:
        FORMS[type(slot.placement.method)](slot, modules, plan, headed=headed)
    plan.add(head.tensors)
    plan.saved += dict.fromkeys(name.partition(".")[0] for name in head.tensors)
    return plan


def _write(folder: Path, config: Mapping[str, Any], plan: Plan) -> None:
    """Write the two files of an adapter."""
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {f"{PREFIX}{key}": tensor for key, tensor in plan.tensors.items()}
    whole = {key: t.detach().cpu().float().contiguous().clone() for key, t in tensors.items()}
    save_file(whole, folder / TENSORS, metadata={"format": "pt"})
    write_json(folder / CONFIG, dict(sorted(config.items())))
