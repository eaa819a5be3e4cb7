"""The settings of a run: plain data, kept in `config.json`."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from functools import cache
from typing import Annotated, Any, Final, Self, get_args, get_type_hints

from ossicle.errors import RunError
from ossicle.settings import (
    ANY,
    FRACTION,
    Help,
    Kinds,
    Limits,
    Setting,
    alternatives,
    check_setting,
    check_value,
    parse,
)
from ossicle.training.fold import parse_fold
from ossicle.training.schedule import build_schedule

_ADAM: Final = {
    "beta1": Setting("decay of the mean of gradients", 0.9, low=0, high=0.999999),
    "beta2": Setting("decay of the mean of squared gradients", 0.999, low=0, high=0.999999),
    "eps": Setting("added to the root", 1e-8, low=0, high=1),
    "decay": Setting("which parameters weight decay applies to", "matrices", ("matrices", "all")),
}
OPTIMIZERS: Final[dict[str, dict[str, Setting]]] = {"adamw": _ADAM, "adam": _ADAM}
# Limits are far beyond what anybody means, and well within what arithmetic can hold.
COUNT: Final = Limits(1, 10**6)
SECONDS: Final = Limits(0, 10**6, above=True)
RATE: Final = Limits(0, 1000, above=True)
DEFAULT_EPOCHS: Final = 10
MOST_DEFAULT_EPOCHS: Final = 100
SEEDS: Final = 2**32  # what numpy's generator takes


MODEL: Final = "Model and data"
RECORDINGS: Final = "Recordings and batches"
OPTIMISATION: Final = "Optimisation"
RUN: Final = "Run"
STAGE: Final = "Continue from a run"
STAGE_DEFAULTS: Final[dict[str, object]] = {  # of the settings that need a parent
    "freeze": None,
    "head_from": "keep",
    "common_labels": False,
    "keep": None,
    "prune": None,
}


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """Everything that decides the result of a run.

    The command line is made from this class: a field is an option of `ossicle train` and `ossicle
    compare`, its annotation holds the help text, its default is the option's.
    """

    backbone: Annotated[
        str,
        Help(
            "Pretrained model: tiny-hubert or tiny-ast (shipped with ossicle), a Hugging Face Hub "
            "id (USER/NAME or hf:USER/NAME@REVISION), a folder in the Hub's layout, or config:NAME "
            "for random weights.",
            MODEL,
        ),
    ] = ""
    recipe: Annotated[
        str,
        Help(
            "What to train: a preset (see `ossicle recipes`), an expression such as "
            "'lora(rank=4)@attn.q,attn.v', or a .toml or .json file.",
            MODEL,
        ),
    ] = ""
    data: Annotated[
        str,
        Help(
            "Labelled recordings: demo (shipped with ossicle), a folder, a .csv, .tsv or .jsonl "
            "table, or READER:PATH?option=value&..., e.g. fsdd:PATH?test_speaker=theo (see "
            "`ossicle corpora`). 'A + B' joins two of them.",
            MODEL,
        ),
    ]
    task: Annotated[
        str | None,
        Help(
            "What to predict, with settings as in 'verification(loss=am-softmax)' (see `ossicle "
            "tasks`). Default: the task that the data suggest.",
            MODEL,
        ),
    ] = None
    head: Annotated[
        str | None,
        Help("Head of the model (see `ossicle tasks`). Default: the task's own.", MODEL),
    ] = None
    epochs: Annotated[
        int | None,
        Help(
            "Passes over the training recordings. Default: 10; in transcription, as many as give "
            "400 steps, from 10 to 100.",
            OPTIMISATION,
        ),
        COUNT,
    ] = None
    batch_size: Annotated[int, Help("Recordings in a batch.", RECORDINGS), COUNT] = 16
    batch_seconds: Annotated[
        float | None,
        Help(
            "Fill each batch up to this many seconds, padding included, instead of to --batch-size "
            "recordings.",
            RECORDINGS,
        ),
        SECONDS,
    ] = None
    accumulate: Annotated[
        int,
        Help("Accumulate the gradients of this many batches before each step.", OPTIMISATION),
        COUNT,
    ] = 1
    lr: Annotated[
        float | None,
        Help(
            "Peak learning rate for parameter groups without their own, the head included. "
            "Default: the method's; 1e-2 for heads by frame, 1e-3 for others.",
            OPTIMISATION,
        ),
        RATE,
    ] = None
    head_lr: Annotated[
        float | None, Help("Peak learning rate of the head. Default: --lr.", OPTIMISATION), RATE
    ] = None
    optimizer: Annotated[
        str,
        Help(
            "adamw or adam, with settings as in 'adamw(beta2=0.98,eps=1e-6,decay=all)'.",
            OPTIMISATION,
        ),
    ] = "adamw"
    weight_decay: Annotated[
        float,
        Help("Weight decay of matrices; of all parameters with decay=all.", OPTIMISATION),
        Limits(0, 1000),
    ] = 0.01
    schedule: Annotated[
        str,
        Help(
            "Learning rate after the warm-up: linear, cosine, constant, "
            "'step(epochs=10,factor=0.1)', 'tri-stage(hold=0.4,last=0.05)', or one factor per "
            "epoch, without a warm-up: 'epochs(0.1 0.5 1)'.",
            OPTIMISATION,
        ),
    ] = "linear"
    warmup: Annotated[
        float,
        Help(
            "Fraction of all steps over which the learning rate rises from 0 to its peak.",
            OPTIMISATION,
        ),
        FRACTION,
    ] = 0.1
    clip: Annotated[
        float,
        Help("Clip the gradient norm to this value; 0 turns clipping off.", OPTIMISATION),
        Limits(0, 10**9),
    ] = 1.0
    patience: Annotated[
        int | None,
        Help(
            "Stop after this many epochs without improvement on the validation recordings. "
            "Default: never.",
            OPTIMISATION,
        ),
        COUNT,
    ] = None
    augment: Annotated[
        str,
        Help(
            "Augmentations of the training recordings, separated by commas: speed, noise, mask.",
            RECORDINGS,
        ),
    ] = ""
    precision: Annotated[
        str, Help("Precision of the forward pass: float32, bfloat16, float16 or auto.", RUN)
    ] = "float32"
    cache: Annotated[
        str,
        Help(
            "Keep the output of the frozen layers on disk: auto (when it saves time), off, "
            "float32 or float16.",
            RUN,
        ),
    ] = "auto"
    compile: Annotated[
        bool,
        Help("Compile the trainable layers with torch.compile; the first steps are slow.", RUN),
    ] = False
    track: Annotated[
        str,
        Help(
            "Experiment trackers, separated by commas: tensorboard, wandb, ...; none turns "
            "tracking off.",
            RUN,
        ),
    ] = "tensorboard"
    max_seconds: Annotated[
        float,
        Help(
            "Longer recordings are cropped at random in training and evaluated in windows of this "
            "length.",
            RECORDINGS,
        ),
        SECONDS,
    ] = 10.0
    seed: Annotated[
        int,
        Help("Seed of new parameters, data order, crops and dropout.", RUN),
        Limits(0, SEEDS - 1),
    ] = 0
    drop_short: Annotated[
        bool,
        Help("Leave out recordings with fewer frames than their transcript needs.", RECORDINGS),
    ] = False
    fold: Annotated[
        str | None,
        Help(
            "Test on one fold of several, as in 2/5: folds are drawn from all recordings by class "
            "and speaker, and the next fold is validation. Default: the split of the data.",
            RECORDINGS,
        ),
    ] = None
    shots: Annotated[
        int | None,
        Help(
            "Train on this many recordings of each class, drawn by --seed; draws are nested. "
            "Default: all.",
            RECORDINGS,
        ),
        COUNT,
    ] = None
    train_fraction: Annotated[
        float | None,
        Help(
            "Train on this fraction of the training recordings of each class, drawn by --seed; "
            "draws are nested. Default: all.",
            RECORDINGS,
        ),
        Limits(0, 1, above=True),
    ] = None
    also: Annotated[
        str | None,
        Help(
            "Test on this corpus too, before training where the model has answers then, and after: "
            "what it has gained or lost there. Nothing is chosen by it.",
            RECORDINGS,
        ),
    ] = None
    also_task: Annotated[
        str | None,
        Help(
            "Settings of the task for --also, such as another language: 'seq2seq(language=en)'. "
            "Default: --task.",
            RECORDINGS,
        ),
    ] = None
    fast: Annotated[
        bool,
        Help("Use faster, exactly equivalent code in place of frozen modules.", RUN),
    ] = True
    stochastic: Annotated[
        bool,
        Help("Keep dropout and SpecAugment of the backbone on in training.", OPTIMISATION),
    ] = False
    device: Annotated[str, Help("auto, cpu, cuda, cuda:1, mps, ...", RUN)] = "auto"
    parent: Annotated[
        str | None,
        Help(
            "Start from the adapters and the head of this finished run, a folder or "
            "hf:USER/NAME[@REVISION]. --recipe adds placements to them.",
            STAGE,
            flag="--from",
        ),
    ] = None
    freeze: Annotated[
        str | None,
        Help(
            "Parts of the parent run that do not train, separated by commas: methods (lora), sites "
            "(@ffn), layers ([0:4]), these together (lora@attn.q[0:4]), or head.",
            STAGE,
        ),
    ] = None
    head_from: Annotated[
        str,
        Help(
            "Continue with the head of the parent run (keep), give it outputs for new labels "
            "(extend), or start with a new head (new).",
            STAGE,
        ),
        Limits(choices=("keep", "extend", "new")),
    ] = "keep"
    common_labels: Annotated[
        bool,
        Help(
            "Leave out recordings with labels that the parent run does not know, and outputs of "
            "the parent for labels that the data do not have.",
            STAGE,
        ),
    ] = False
    keep: Annotated[
        str | None,
        Help(
            "How to keep what the parent run has learnt, with its setting, as in "
            "'ewc(strength=100)'. A wrong name lists all ways.",
            STAGE,
        ),
    ] = None

    prune: Annotated[
        str | None,
        Help(
            "Start from a smaller adapter made of the parent run's, as in 'taylor(to=100k)' or "
            "'random(keep=0.5)'. A wrong name lists all ways.",
            STAGE,
        ),
    ] = None

    def __post_init__(self) -> None:
        if not isinstance(self.data, str):
            from ossicle.data.objects import in_memory  # needs numpy, which most commands do not

            object.__setattr__(self, "data", in_memory(self.data))
        for name, (kinds, limits) in field_rules().items():
            check_value(name, getattr(self, name), kinds, limits)
        self._check_stage()
        if self.shots is not None and self.train_fraction is not None:
            raise RunError("shots and train_fraction both choose training recordings; give one")
        if self.also_task is not None and self.also is None:
            raise RunError("--also-task is for the corpus of --also; give it, or leave it out")
        if self.fold is not None:
            parse_fold(self.fold)
        parse(self.optimizer, "optimizer", OPTIMIZERS)
        build_schedule(self.schedule, self.warmup, num_steps=1, epoch_steps=1)

    def _check_stage(self) -> None:
        given = [
            f"--{name.replace('_', '-')}"
            for name, default in STAGE_DEFAULTS.items()
            if getattr(self, name) != default
        ]
        if self.parent is None and given:
            raise RunError(
                f"{given[0]} belongs to a stage that starts from a run; add --from RUN, or leave "
                f"{given[0]} out"
            )
        if self.common_labels and self.head_from == "extend":
            raise RunError(
                "--common-labels leaves labels out that --head-from extend adds; give one of them"
            )

    @property
    def num_epochs(self) -> int:
        """Epochs of the run, as far as the settings say."""
        return DEFAULT_EPOCHS if self.epochs is None else self.epochs

    def to_dict(self) -> dict[str, Any]:
        """Return plain data."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Return the configuration that `to_dict` described.

        Raises:
            RunError: an unknown or missing entry.
        """
        names = [field.name for field in fields(cls)]
        for key in data:
            check_setting("a run", key, names)
        try:
            return cls(**data)
        except TypeError as error:
            raise RunError(f"the configuration of the run is incomplete: {error}") from error


@cache
def field_rules() -> Mapping[str, tuple[Kinds, Limits]]:
    """Return the types and limits of every field of `TrainConfig`."""
    return rules_of(TrainConfig)


def rules_of(settings: type[Any]) -> Mapping[str, tuple[Kinds, Limits]]:
    """Return the types and limits of every field of a dataclass of settings."""
    rules, hints = {}, get_type_hints(settings, include_extras=True)
    for field in fields(settings):
        kind, *about = get_args(hints[field.name])
        limits = next((one for one in about if isinstance(one, Limits)), ANY)
        rules[field.name] = (alternatives(kind), limits)
    return rules
