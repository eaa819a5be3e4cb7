"""Adapters with random weights on tiny backbones, as runs would leave them, for a server."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import torch

from kinds import shake
from ossicle.adapters.check import attach
from ossicle.adapters.saving import save
from ossicle.backbones import load_backbone
from ossicle.data import Dataset, Utterance
from ossicle.heads import build_head
from ossicle.recipes.recipe import Recipe
from ossicle.tasks import TASKS, Task

WHISPER = (
    "config:whisper-tiny?d_model=8&encoder_layers=1&encoder_attention_heads=1&encoder_ffn_dim=8"
    "&decoder_layers=1&decoder_attention_heads=1&decoder_ffn_dim=8&length=1&vocab_size=1780"
    "&pad_token_id=0&max_target_positions=48"
)


def task_of(name: str) -> Task:
    """Return a task with the classes of its example."""
    kind = TASKS[name]
    settings = {"language": "de"} if kind.needs_decoder else {}
    heard = [
        Utterance(f"{number}", Path(f"{number}.wav"), kind.example[number % 2])
        for number in range(8)
    ]
    return kind.from_dataset(
        Dataset("noise", heard, heard, heard, False, given=True, note=""), **settings
    )


def adapter(
    folder: Path,
    backbone: str,
    recipe: str = "lora",
    *,
    seed: int = 0,
    task: str = "classification",
    max_seconds: float = 0.5,
) -> Path:
    """Save an adapter with random weights."""
    torch.manual_seed(seed)
    made = task_of(task)
    loaded = load_backbone(backbone, decoder=made.needs_decoder)
    made = made.with_tokens(loaded.tokens) if made.needs_decoder else made
    parsed = Recipe.parse(recipe)
    head = build_head(made.heads[0], parsed.seen_by_head(loaded.anatomy), made.num_outputs)
    made.configure(head)
    model = attach(loaded, parsed, head)
    shake(model, by=0.2)
    save(model, folder, task=made.to_dict() | {"max_seconds": max_seconds})
    return folder


def wav(seconds: float, seed: int = 0, rate: int = 16_000, **how: Any) -> bytes:
    """Return a wav file of noise."""
    noise = np.random.default_rng(seed).normal(0, 0.1, round(seconds * rate))
    file = io.BytesIO()
    soundfile.write(file, noise, rate, format="WAV", **how)
    return file.getvalue()
