"""Published training settings by name, as far as papers state them.

Each is a set of options, without recipe and data. Settings missing in the text of a paper are taken
from its code.
"""

from dataclasses import dataclass
from typing import Any, Final

from ossicle.settings import check_known


@dataclass(frozen=True, slots=True)
class Published:
    """Settings of one experiment.

    Attributes:
        about: What was trained, and where from the settings are.
        fields: Of `TrainConfig`.
    """

    about: str
    fields: dict[str, Any]


def _ast(epochs: int, batch_size: int, frames: int, *, masks: bool = False) -> dict[str, Any]:
    """Cappellazzo et al. 2023: AdamW, decay on all, half a cosine, no warm-up, no clipping."""
    return {
        "epochs": epochs,
        "batch_size": batch_size,
        "lr": 5e-3,  # of adapters and LoRA; prompts and prefixes 1e-2, linear 1e-3, full 5e-5
        "optimizer": "adamw(beta2=0.98,eps=1e-6,decay=all)",
        "weight_decay": 0.1,
        "schedule": "cosine",
        "warmup": 0.0,
        "clip": 0.0,
        "max_seconds": frames / 100,
        "augment": "mask" if masks else "",
    }


def _elp(epochs: int, batch_size: int, lr: float, head_lr: float, schedule: str) -> dict[str, Any]:
    """Otake et al. 2023: Adam, a factor on the rate for each epoch."""
    return {
        "epochs": epochs,
        "batch_size": batch_size,
        "lr": lr,
        "head_lr": head_lr,
        "optimizer": "adam",
        "weight_decay": 0.0,
        "schedule": schedule,
        "warmup": 0.0,
        "max_seconds": 12.5,  # 200,000 samples
    }


def _asr_factors() -> str:
    """Up over 20 epochs, 3 held, then a line from 100 to 1 over one from 100 to 1000."""
    rise = [0.1 + 0.9 * i / 19 for i in range(20)]
    fall = [(100 - 99 * i / 76) / (100 + 900 * i / 76) for i in range(77)]
    factors = " ".join(f"{factor:.6g}" for factor in (*rise, 1.0, 1.0, 1.0, *fall))
    return f"epochs({factors})"


def _superb(
    steps: int, recordings: int, lr: float, warmup_steps: int, **more: Any
) -> dict[str, Any]:
    """SUPERB and Lin et al. 2024: Adam for many steps of 32, linear warm-up and decay.

    Epochs are the published steps over those of an epoch of the published corpus.
    """
    return {
        "epochs": round(steps * 32 / recordings),
        "batch_size": 32,
        "lr": lr,
        "optimizer": "adam",
        "weight_decay": 0.0,
        "warmup": warmup_steps / steps,
        "head": "superb",
        **more,
    }


def _sure(lr: float, batch_size: int, accumulate: int) -> dict[str, Any]:
    """SURE: the Hugging Face trainer's AdamW, a line down after a tenth of the steps."""
    return {
        "epochs": 100,
        "batch_size": batch_size,
        "accumulate": accumulate,
        "lr": lr,
        "warmup": 0.1,
        "schedule": "linear",
        "weight_decay": 0.0,
        "patience": 5,
        "head": "superb",
    }


_D = "Cappellazzo et al. 2023 and code, for adapters and LoRA"
_B = "code of Otake et al. 2023"
_A = "SUPERB with the warm-up of Lin et al. 2024"
PUBLISHED: Final[dict[str, Published]] = {
    "ast/esc50": Published(f"ESC-50, {_D}", _ast(50, 32, 500, masks=True)),
    "ast/urbansound8k": Published(f"UrbanSound8K, {_D}", _ast(30, 32, 400, masks=True)),
    "ast/speechcommands": Published(f"Speech Commands V2, {_D}", _ast(75, 128, 100)),
    "ast/fsc": Published(f"Fluent Speech Commands, {_D}", _ast(75, 32, 400)),
    "ast/iemocap": Published(f"IEMOCAP, {_D}", _ast(20, 32, 800)),
    "elp/asr": Published(
        f"Libri-Light 10 h, {_B}",
        _elp(100, 8, 1e-3, 2e-3, _asr_factors()) | {"task": "asr", "max_seconds": 40.0},
    ),
    "elp/asv": Published(
        f"VoxCeleb1, {_B}; rate of E-adapters, L-adapters 1e-4 in the recipe",
        _elp(6, 16, 1e-5, 5e-4, "epochs(0.3 0.5 0.7 1 0.2 0.1)")
        | {"task": "verification(loss=softmax)", "batch_seconds": 384.0},
    ),
    "elp/ser": Published(
        f"IEMOCAP, {_B}; rate of E-adapters, L-adapters 1e-4 in the recipe",
        _elp(20, 32, 5e-5, 5e-4, "step(epochs=10,factor=0.1)") | {"head": "superb"},
    ),
    "elp/ic": Published(
        f"Fluent Speech Commands, {_B}",
        _elp(7, 16, 1e-5, 5e-4, "epochs(0.1 0.5 0.7 1 0.5 0.3 0.1)")
        | {"task": "intent", "head": "superb"},
    ),
    "superb/ks": Published(
        f"Speech Commands V1, 12 classes, {_A}", _superb(200_000, 51_094, 1e-4, 1400)
    ),
    "superb/ic": Published(
        f"Fluent Speech Commands, {_A}", _superb(200_000, 23_132, 1e-4, 1000, task="intent")
    ),
    "superb/er": Published(f"IEMOCAP, {_A}", _superb(30_000, 3_540, 1e-4, 1400)),
    "superb/pr": Published(
        f"LibriSpeech 100 h, {_A}; the rate is that of a frozen backbone",
        _superb(100_000, 28_539, 1e-2, 1400, task="phones", head="superb-frames"),
    ),
    "peft-ser/emotion": Published(
        "code of PEFT-SER, with a constant rate instead of one that halves on a plateau",
        {
            "epochs": 30,
            "batch_size": 32,
            "lr": 5e-4,
            "optimizer": "adam(beta2=0.98,decay=all)",
            "weight_decay": 1e-4,
            "schedule": "constant",
            "warmup": 0.0,
            "max_seconds": 6.0,
            "task": "classification(class_weights=balanced)",
        },
    ),
    "sure/emotion": Published("SURE, emotion", _sure(2e-3, 64, 4)),
    "sure/intent": Published("SURE, intent", _sure(2e-4, 8, 4)),
    "sure/phones": Published(
        "SURE, phones; 1000 steps of warm-up there, a tenth of all here",
        _sure(2e-3, 8, 4) | {"task": "phones", "head": "superb-frames"},
    ),
}


def published(name: str) -> dict[str, Any]:
    """Return the settings of that name.

    Raises:
        RunError: there are none.
    """
    check_known("published settings", name, PUBLISHED)
    return PUBLISHED[name].fields
