"""Adapter folders of every kind that the API tells apart, and recordings for them."""

import base64
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import torch

from kinds import shake
from ossicle.adapters.check import attach
from ossicle.adapters.saving import save
from ossicle.backbones import load_backbone
from ossicle.heads import build_head
from ossicle.recipes.recipe import Recipe
from ossicle.tasks import TASKS
from tones import tone, write_backbone

WHISPER = (
    "config:whisper-tiny?d_model=16&encoder_layers=1&encoder_attention_heads=2&encoder_ffn_dim=16&"
    "decoder_layers=1&decoder_attention_heads=2&decoder_ffn_dim=16&vocab_size=1790&"
    "max_target_positions=16&pad_token_id=0&length=1"
)
SECONDS = 1.0  # longest window
Described = tuple[str, str, Mapping[str, Any]]  # recipe, head, task
ADAPTERS: dict[str, Described] = {
    "mood": (
        "lora",
        "mean",
        {"name": "classification", "labels": ["angry", "calm"], "label_smoothing": 0.0},
    ),
    "voice": (
        "bottleneck[1:]",
        "speaker-meanstd",
        {
            "name": "verification",
            "speakers": ["anna", "ben", "cleo"],
            "loss": "am-softmax",
            "scale": 30.0,
            "margin": 0.4,
        },
    ),
    "letters": ("lora", "frames", {"name": "asr", "units": [" ", "a", "b", "c"]}),
    "whole": (
        "full@attn.q",
        "mean",
        {"name": "classification", "labels": ["angry", "calm"], "label_smoothing": 0.0},
    ),
    "talk": ("lora@dec.attn.q", "decoder", {"name": "seq2seq", "language": "de"}),
    "abroad": ("lora@dec.attn.v", "decoder", {"name": "translation", "language": "de"}),
}


def write_adapters(root: Path) -> dict[str, Path]:
    """Write adapters with random weights; return their folders by name."""
    hubert = write_backbone(root / "hubert")
    folders = {}
    for seed, (name, (recipe, head, task)) in enumerate(ADAPTERS.items()):
        torch.manual_seed(seed)
        is_text = head == "decoder"
        backbone = load_backbone(WHISPER if is_text else hubert, decoder=is_text, device="cpu")
        outputs = 0 if is_text else TASKS[task["name"]].from_dict(task).num_outputs
        parsed = Recipe.parse(recipe)
        built = build_head(head, parsed.seen_by_head(backbone.anatomy), outputs)
        model = attach(backbone, parsed, built)
        shake(model, by=0.3)
        folders[name] = root / name
        save(model, folders[name], task={**task, "max_seconds": SECONDS})
    return folders


def wave(hz: float = 440.0, seconds: float = 0.5) -> np.ndarray:
    """Return a tone at 16 kHz."""
    return tone(hz, seconds, seed=int(hz)).astype(np.float32)


def wav(hz: float = 440.0, seconds: float = 0.5) -> bytes:
    """Return the content of a sound file with a tone."""
    file = io.BytesIO()
    soundfile.write(file, wave(hz, seconds), 16_000, format="WAV", subtype="FLOAT")
    return file.getvalue()


def text_of(content: bytes) -> str:
    """Return bytes in base64."""
    return base64.b64encode(content).decode()
