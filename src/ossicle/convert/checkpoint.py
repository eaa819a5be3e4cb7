"""A trained run as a checkpoint of transformers: `ossicle merge`."""

import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from ossicle.adapters.folder import read_folder
from ossicle.adapters.merge import LAYERS, layer_logits, merge
from ossicle.backbones import Backbone
from ossicle.backbones.source import Source
from ossicle.convert.merged_card import write_card
from ossicle.errors import MergeError
from ossicle.heads import DecoderHead
from ossicle.settings import split_query
from ossicle.tasks import TASKS
from ossicle.training.ensemble_folder import is_ensemble
from ossicle.training.folder import check_new, places_of
from ossicle.training.trained import Trained

RANDOM: Final = "config:"
SPEECH_TO_TEXT: Final = "automatic-speech-recognition"
PIPELINES: Final = {
    "AutoModelForAudioClassification": "audio-classification",
    "AutoModelForCTC": SPEECH_TO_TEXT,
    "AutoModelForSpeechSeq2Seq": SPEECH_TO_TEXT,
}

FUNCTIONS: Final = {"tags": "sigmoid", "numbers": "none"}  # transformers 4 takes a softmax of all


@dataclass(frozen=True, slots=True)
class Written:
    """What was written.

    Attributes:
        folder: The folder.
        auto: The `Auto...` class of transformers that loads it.
        use: One line of Python that loads it.
        notices: How its answers can differ from those of `ossicle predict`.
    """

    folder: Path
    auto: str
    use: str
    notices: tuple[str, ...]


def check_mergeable(run: Path) -> None:
    """Raise unless transformers may have a class for the task of a run.

    Raises:
        AdapterFileError: the folder is not an adapter folder, or is damaged.
        MergeError: it is an ensemble; transformers decodes no such outputs; or the length of the
            backbone's input is another.
    """
    if is_ensemble(run):
        raise MergeError(
            f"'{run}' is an ensemble, and a checkpoint has one model. Merge one of its members"
        )
    facts = read_folder(run).facts
    name = facts["task"].get("name")
    if name in TASKS and not TASKS[name].needs_decoder:
        TASKS[name].from_dict(facts["task"]).output_kind()
        return
    length = split_query(facts["backbone"]["name"], MergeError)[1].get("length")
    if length is not None:
        raise MergeError(
            f"'{run}' was trained with length={length}, and transformers pads every recording to "
            "the whole chunk, so a checkpoint would write other texts. Train without length"
        )


def write_checkpoint(run: Path, out: Path, backbone: str | None = None) -> Written:
    """Write the model of a run, with its adapters in the weights and its head.

    The folder appears when it is complete.

    Args:
        run: Folder of a finished run.
        out: Folder to write, new or empty.
        backbone: Where the backbone is, if not where the run found it.

    Raises:
        MergeError: no class of transformers gives the same answers; the message says why.
        RunError: the folder to write is not empty.
    """
    check_mergeable(run)
    check_new(out)
    trained = Trained.open(run, backbone=backbone, device="cpu")
    part = out.with_name(f"{out.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    try:
        auto = _save(trained, part, backbone)
        written = Written(out, auto, _use(trained, auto, str(out)), _notices(trained, auto))
        write_card(
            part, trained, PIPELINES.get(auto), _use(trained, auto, "FOLDER"), written.notices
        )
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise
    if out.is_dir():
        out.rmdir()
    part.replace(out)
    return written


def _save(trained: Trained, folder: Path, backbone: str | None) -> str:
    """Save the merged model; return the class that loads it."""
    model, head = trained.model, trained.model.head
    if head is None:
        raise MergeError(f"'{trained.folder}' has no head, so it answers nothing")
    if isinstance(head, DecoderHead):
        merged = merge(model)
        merged.save(folder, head.writing, _source(trained, merged, backbone))
        return "AutoModelForSpeechSeq2Seq"
    form = replace(head.form(), layer_logits=layer_logits(model))
    merged = merge(model, without=(LAYERS,))
    return merged.save_with_head(folder, form, trained.task.output_kind())


def _source(trained: Trained, merged: Backbone, backbone: str | None) -> Source | None:
    """Return the files of the original model; None if it has random weights."""
    name = backbone or merged.name
    path, options = split_query(name, MergeError)
    if name.startswith(RANDOM):
        return None
    return Source(path, options.get("revision"), places_of(trained.folder))


def _use(trained: Trained, auto: str, folder: str) -> str:
    """Return the expression that loads a checkpoint, with what older pipelines do not infer."""
    if auto not in PIPELINES:
        return f'{auto}.from_pretrained("{folder}")'
    more = ""
    if not trained.task.needs_decoder:
        function = FUNCTIONS.get(trained.task.output_kind().kind)
        more = f', function_to_apply="{function}", top_k=None' if function else ""
    return f'pipeline("{PIPELINES[auto]}", "{folder}"{more})'


def _notices(trained: Trained, auto: str) -> tuple[str, ...]:
    """Return how answers can differ from those of `ossicle predict`."""
    backbone = trained.model.backbone
    seconds = trained.limit / backbone.sample_rate
    notices = []
    if not trained.task.by_frame and backbone.max_samples is None:
        notices.append(
            f"ossicle cuts a recording longer than {seconds:g} s into windows and combines their "
            "answers; transformers reads it whole, so answers then differ."
        )
    if auto != "AutoModelForSpeechSeq2Seq":
        notices.append(
            "In a batch of recordings of different lengths, the padding of transformers can "
            "change the answers; one recording at a time, they are those of ossicle."
        )
    return tuple(notices)
