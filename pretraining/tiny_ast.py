"""Pretrain tiny-ast on synthetic sounds and speech alone.

    python pretraining/tiny_ast.py --steps 5000

Each scene is heard twice, through different rooms, noise and moments, each time with other patches
left out. From the patches that it sees the model predicts

    kinds       which of the formulas made the scene, from the mean of the tokens and from CLS
    same scene  which of the other views in the batch is of the same scene (contrast)
    patches     the patches left out of one view, through a small decoder (masked autoencoder)

`--out` keeps a checkpoint; the same command continues from it and reaches the weights of an
uninterrupted run. OUT/export is the current model in the format of the hub, in half precision.

Sources: Huang et al. 2022, "Masked autoencoders that listen", https://arxiv.org/abs/2207.06405;
Koutini et al. 2022 (leaving patches out), https://arxiv.org/abs/2110.05069;
Saeed et al. 2021 (contrast of views), https://arxiv.org/abs/2010.10915.
"""

import argparse
import json
import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import stage
import torch
from augment import channel, disturbed
from safetensors.numpy import load_file
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import ASTConfig, ASTFeatureExtractor, ASTModel
from transformers.audio_utils import mel_filter_bank

from ossicle.backbones import FAMILIES, NAMED

SAMPLE_RATE: Final = 16000
NUM_SAMPLES: Final = 82000  # 511 mel frames
SCENES: Final = 24
SPEECH_SHARE: Final = 0.2
SEEN: Final = (0.2, 0.3, 0.5)  # of the patches, in each view; one is drawn for each step
PATCH: Final = 16
ROWS: Final = 128 // PATCH
COLUMNS: Final = 512 // PATCH
DECODER_WIDTH: Final = 128
TEMPERATURE: Final = 0.1
LOSSES: Final = {"kinds": 1.0, "kinds_cls": 0.5, "same": 0.3, "patches": 1.0}


class MelBands(nn.Module):
    """The log-mel bands of ASTFeatureExtractor, for a batch."""

    def __init__(self) -> None:
        super().__init__()
        filters = mel_filter_bank(
            257, 128, 20.0, 8000.0, SAMPLE_RATE, norm=None, mel_scale="kaldi",
            triangularize_in_mel_space=True,
        )  # fmt: skip
        self.filters = torch.as_tensor(filters, dtype=torch.float32)
        self.window = torch.hann_window(400, periodic=False)

    def forward(self, wave: Tensor) -> Tensor:
        """Return log-mel bands (B, F, 128) of (B, N)."""
        pieces = wave.unfold(1, 400, 160)
        pieces = pieces - pieces.mean(dim=-1, keepdim=True)
        before = F.pad(pieces, (1, 0), mode="replicate")[..., :-1]
        power = torch.fft.rfft((pieces - 0.97 * before) * self.window, 512).abs() ** 2
        return (power @ self.filters).clamp(min=1.192092955078125e-07).log()


class Heads(nn.Module):
    """Modules that are used in pretraining and not exported."""

    def __init__(self, width: int, num_kinds: int) -> None:
        super().__init__()
        self.kinds = nn.Linear(width, num_kinds)
        self.kinds_cls = nn.Linear(width, num_kinds)
        self.same = nn.Sequential(nn.Linear(width, width), nn.GELU(), nn.Linear(width, 96))
        self.enter = nn.Linear(width, DECODER_WIDTH)
        self.absent = nn.Parameter(torch.zeros(DECODER_WIDTH))
        self.places = nn.Parameter(torch.randn(ROWS * COLUMNS, DECODER_WIDTH) * 0.1)
        self.decoder = nn.TransformerEncoderLayer(
            DECODER_WIDTH, 4, 2 * DECODER_WIDTH, 0.0, "gelu", batch_first=True, norm_first=True
        )
        self.leave = nn.Linear(DECODER_WIDTH, PATCH * PATCH)

    def patches(self, hidden: Tensor, seen: Tensor) -> Tensor:
        """Return all patches (B, P, 256) from the tokens (B, S, D) of those seen (B, S)."""
        tokens = self.enter(hidden)
        whole = self.absent.to(tokens.dtype).expand(len(seen), ROWS * COLUMNS, -1)
        whole = whole.scatter(1, seen[..., None].expand_as(tokens), tokens)
        made: Tensor = self.leave(self.decoder(whole + self.places))
        return made


def tokens(model: ASTModel, values: Tensor, seen: Tensor) -> Tensor:
    """Return the last tokens (B, 2 + S, D) when only the patches `seen` (B, S) go in."""
    embeddings = model.embeddings
    places = embeddings.position_embeddings
    patches = embeddings.patch_embeddings(values) + places[:, 2:]
    patches = patches.gather(1, seen[..., None].expand(-1, -1, patches.shape[-1]))
    first = torch.cat((embeddings.cls_token, embeddings.distillation_token), dim=1) + places[:, :2]
    hidden = torch.cat((first.expand(len(values), -1, -1), patches), dim=1)
    for layer in model.layers:
        hidden = layer(hidden, None)
    made: Tensor = model.layernorm(hidden)
    return made


class Scenes:
    """Synthetic sounds with their classes, and synthetic speech as a further class."""

    def __init__(self, sounds: Path, speech: Path) -> None:
        shards = [load_file(file) for file in sorted(sounds.glob("*.safetensors"))]
        self.sounds = np.concatenate([shard["wave"] for shard in shards])
        self.kinds = np.concatenate([shard["kinds"] for shard in shards])
        self.speech = np.concatenate(
            [load_file(file)["wave"] for file in sorted(speech.glob("*.safetensors"))[:12]]
        )
        self.num_kinds = self.kinds.shape[1] + 1

    def draw(self, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
        """Return waves (B, N) and kinds (B, K)."""
        waves = np.zeros((SCENES, self.sounds.shape[1]), np.float32)
        kinds = np.zeros((SCENES, self.num_kinds), np.float32)
        for row in range(SCENES):
            if rng.random() < SPEECH_SHARE:
                start = rng.integers(len(self.speech) - waves.shape[1])
                waves[row] = self.speech[start : start + waves.shape[1]] / np.float32(32768)
                kinds[row, -1] = 1
            else:
                number = rng.integers(len(self.sounds))
                waves[row] = self.sounds[number] / np.float32(32768)
                kinds[row, :-1] = self.kinds[number]
        return torch.from_numpy(waves), torch.from_numpy(kinds)


def view(wave: Tensor, mel: MelBands, generator: torch.Generator) -> Tensor:
    """Return the model input (B, 512, 128) for scenes (B, N), with new augmentation."""
    rows, size = wave.shape
    shifts = torch.randint(size, (rows, 1), generator=generator)
    moved = wave.gather(1, (torch.arange(size) + shifts) % size)
    heard = disturbed(channel(moved, generator), generator)
    draws = torch.rand(rows, 4, generator=generator)
    # A recording may end early: in digital silence, or where the extractor pads.
    ends = torch.where(draws[:, :1] < 0.5, 1.0, 0.15 + 0.85 * draws[:, 1:2])
    time_ = torch.linspace(0, 1, size)
    peak = 10 ** (-1.7 * draws[:, 2:3])
    heard = heard / heard.abs().amax(dim=1, keepdim=True).clamp(min=1e-3) * peak
    heard = F.pad(heard * (time_ <= ends), (0, NUM_SAMPLES - size))
    bands = F.pad(mel(heard), (0, 0, 0, 1))
    frames = torch.linspace(0, 1, bands.shape[1])[:, None]
    cut_short = (draws[:, 3] < 0.4)[:, None, None] & (frames > ends[:, None])
    bands = torch.where(cut_short, 0.0, bands)
    extractor = FAMILIES["ast"].extractor
    return (bands - extractor["mean"]) / (2 * extractor["std"])


def as_patches(values: Tensor) -> Tensor:
    """Return values (B, 512, 128) as normalised patches (B, P, 256), in the model's order."""
    grid = values.transpose(1, 2).unflatten(2, (COLUMNS, PATCH)).unflatten(1, (ROWS, PATCH))
    patches = grid.permute(0, 1, 3, 2, 4).flatten(3).flatten(1, 2)
    centred = patches - patches.mean(dim=-1, keepdim=True)
    return centred / (centred.square().mean(dim=-1, keepdim=True) + 1e-3).sqrt()


def contrast(first: Tensor, second: Tensor) -> Tensor:
    """Return the loss of finding row i of the one among all rows of the other, both ways."""
    likeness = F.normalize(first, dim=-1) @ F.normalize(second, dim=-1).T / TEMPERATURE
    rows = torch.arange(len(first), device=first.device)
    return (F.cross_entropy(likeness, rows) + F.cross_entropy(likeness.T, rows)) / 2


@dataclass
class Run:
    """The complete training state."""

    model: ASTModel
    heads: Heads
    optimizer: torch.optim.AdamW
    step: int = 0

    def parameters(self) -> dict[str, nn.Parameter]:
        """Return all parameters by name."""
        return stage.named_parameters(model=self.model, heads=self.heads)


def losses(run: Run, scenes: Scenes, mel: MelBands, seed: int) -> dict[str, Tensor]:
    """Return every loss of one step; random draws depend only on the seed and the step number."""
    rng = np.random.default_rng([seed, 2, run.step])
    generator = torch.Generator().manual_seed(seed * 1_000_003 + run.step)
    wave, kinds = scenes.draw(rng)
    with torch.no_grad():
        values = torch.cat([view(wave, mel, generator) for _ in range(2)])
        wanted = as_patches(values[:SCENES])
        order = torch.rand(len(values), ROWS * COLUMNS, generator=generator).argsort(dim=1)
        num_seen = round(float(rng.choice(SEEN)) * ROWS * COLUMNS)
        device = run.model.device
        values, wanted, order, kinds = (
            tensor.to(device) for tensor in (values, wanted, order, kinds)
        )
        seen = order[:, :num_seen]
    with torch.autocast(device.type, torch.bfloat16):
        hidden = tokens(run.model, values, seen)
        mean = hidden.mean(dim=1)
        cls = hidden[:, :2].mean(dim=1)
        both = kinds.repeat(2, 1)
        first, second = run.heads.same(mean).float().chunk(2)
        made = run.heads.patches(hidden[:SCENES, 2:], seen[:SCENES]).float()
        found = {
            name: F.cross_entropy(logits.float(), both / both.sum(dim=1, keepdim=True))
            for name, logits in (
                ("kinds", run.heads.kinds(mean)),
                ("kinds_cls", run.heads.kinds_cls(cls)),
            )
        }
    unseen = order[:SCENES, num_seen:, None].expand(-1, -1, wanted.shape[-1])
    error = made.gather(1, unseen) - wanted.gather(1, unseen)
    return found | {"same": contrast(first, second), "patches": error.square().mean()}


def grid_places(width: int) -> Tensor:
    """Return sines and cosines of the two coordinates of every patch: (P, width)."""
    rates = 1 / 100 ** torch.linspace(0, 1, width // 4)
    halves = [
        torch.cat(((at[:, None] * rates).sin(), (at[:, None] * rates).cos()), dim=1)
        for at in (
            torch.arange(ROWS).repeat_interleave(COLUMNS).float(),
            torch.arange(COLUMNS).repeat(ROWS).float() / 2,
        )
    ]
    return torch.cat(halves, dim=1)


def new_model(seed: int) -> ASTModel:
    """Return the initial model: random weights and a grid of positions."""
    torch.manual_seed(seed)
    settings: dict[str, Any] = dict(NAMED["tiny-ast"][1])
    model = ASTModel(ASTConfig(**settings, attn_implementation="eager")).eval()  # as tiny_hubert
    with torch.no_grad():
        model.embeddings.position_embeddings[0, 2:] = grid_places(model.config.hidden_size) * 0.3
    return model


def start(options: argparse.Namespace, scenes: Scenes) -> Run:
    """Return a new run, or the one stored in the folder."""
    model = new_model(options.seed).to(options.device)
    heads = Heads(model.config.hidden_size, scenes.num_kinds).to(options.device)
    parameters = [*model.parameters(), *heads.parameters()]
    run = Run(model, heads, torch.optim.AdamW(parameters, betas=(0.9, 0.98), weight_decay=0.02))
    if (options.out / stage.CHECKPOINT).is_file():
        run.step, _ = stage.load(options.out, run.parameters(), run.optimizer)
        print(f"going on from step {run.step}", flush=True)
    return run


def export(model: ASTModel, folder: Path) -> None:
    """Write the model for the model hub: weights in half precision, to be loaded as float32."""
    halves = {name: value.half() for name, value in model.state_dict().items()}
    model.save_pretrained(folder, state_dict=halves)
    settings = {k: v for k, v in FAMILIES["ast"].extractor.items() if k != "feature_extractor_type"}
    ASTFeatureExtractor(**{**settings, "max_length": 512}).save_pretrained(folder)


def main() -> None:
    """Train, with a checkpoint now and then, and export."""
    options = stage.parser(__doc__.splitlines()[0], "tiny-ast", 5000, 1e-3).parse_args()
    torch.set_num_threads(options.threads)
    options.out.mkdir(parents=True, exist_ok=True)
    scenes, mel = Scenes(options.sounds, options.speech), MelBands()
    run = start(options, scenes)
    parameters = run.parameters()
    began, sums = time.perf_counter(), dict.fromkeys(LOSSES, 0.0)
    while run.step < options.steps:
        for group in run.optimizer.param_groups:
            group["lr"] = stage.rate(run.step, options.steps, options.lr)
        found = losses(run, scenes, mel, options.seed)
        run.optimizer.zero_grad()
        sum(LOSSES[name] * loss for name, loss in found.items()).backward()
        nn.utils.clip_grad_norm_(parameters.values(), 1.0)
        run.optimizer.step()
        run.step += 1
        for name, loss in found.items():
            sums[name] += loss.item()
        if run.step % 100 == 0:
            means = {name: round(total / 100, 3) for name, total in sums.items()}
            if not math.isfinite(sum(sums.values())):
                raise SystemExit(f"step {run.step}: a loss is no number: {means}")
            print(
                json.dumps({"step": run.step, **means, "s": round(time.perf_counter() - began)}),
                flush=True,
            )
            sums = dict.fromkeys(LOSSES, 0.0)
        if run.step % 500 == 0:
            stage.save(options.out, run.step, parameters, run.optimizer, {})
            export(run.model, options.out / "export")
    stage.save(options.out, run.step, parameters, run.optimizer, {})
    export(run.model, options.out / "export")


if __name__ == "__main__":
    main()
