"""Pretrain tiny-hubert.

    python pretraining/tiny_hubert.py --fsdd FOLDER --out FIRST
    python pretraining/tiny_hubert.py --fsdd FOLDER --start FIRST --steps 2500 --lr 1e-3

Masked prediction as in HuBERT, with further targets that synthetic speech provides: every head
reads its own softmax-weighted sum of the layers and predicts, from a disturbed wave, something
of the clean one:

    each frame      phone, word, cluster of cepstra, cluster of log-mel, pitch, level
    each row        voice; pitch, range and rate of the synthesiser; the word, in rows cut at one

After the first stage the last layer knows little, because the sums hardly read it, and most methods
put their head there. The second makes that layer anew and lets every target be predicted from the
last layer alone as well.

`--out` keeps a checkpoint; the same command continues from it and reaches the weights of an
uninterrupted run. OUT/export is the current model in the format of the hub, in half precision.
"""

import argparse
import json
import math
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import features
import numpy as np
import stage
import torch
from augment import channel, disturbed, scaled, spans
from corpus import Corpus, Rows
from sklearn.cluster import MiniBatchKMeans
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import HubertConfig, HubertModel, Wav2Vec2FeatureExtractor
from words import ENGLISH_WORDS

from ossicle.backbones import NAMED

BATCH_S: Final = 24.0
MASKED: Final = 0.35
SPAN: Final = 10
BANDS: Final = 60
KMEANS_ROWS: Final = 60
CLUSTERS: Final = {"cepstra": 100, "mels": 100}
FRAME_LOSSES: Final = {
    "phone": 1.0,
    "word": 0.5,
    "cepstra": 0.5,
    "mels": 0.3,
    "pitch": 0.3,
    "level": 0.15,
}
ROW_LOSSES: Final = {"voice": 0.3, "manner": 0.5, "spoken": 0.5}


def spectral_start(model: HubertModel) -> None:
    """Let the front end begin as a filter bank: band-pass pairs, then envelopes and differences."""
    first, second, third = (layer.conv for layer in model.feature_extractor.conv_layers)
    kernel = first.weight.shape[-1]
    time_s = (torch.arange(kernel) - kernel / 2) / features.SAMPLE_RATE
    mel = torch.linspace(2595 * math.log10(1 + 60 / 700), 2595 * math.log10(1 + 7600 / 700), BANDS)
    centres = 700 * (10 ** (mel / 2595) - 1)
    with torch.no_grad():
        for band, hertz in enumerate(centres.tolist()):
            width_s = min(kernel / features.SAMPLE_RATE, max(0.004, 6 / hertz))
            window = torch.cos(math.pi * time_s / width_s).clamp(min=0) ** 2 * (
                time_s.abs() < width_s / 2
            )
            for part, wave in enumerate((torch.sin, torch.cos)):
                tone = wave(2 * math.pi * hertz * time_s) * window
                tone = tone / tone.norm() * 0.1 * (hertz / 1000) ** 0.4
                first.weight[4 * band + 2 * part, 0] = tone
                first.weight[4 * band + 2 * part + 1, 0] = -tone
        second.weight.mul_(0.3)
        for band in range(BANDS):
            four = slice(4 * band, 4 * band + 4)
            second.weight[band, four] += 0.15
            second.weight[BANDS + band, four] += 0.15 * torch.tensor([-1.0, -1, 1, 1])
        third.weight.mul_(0.5)
        for channel_number in range(third.weight.shape[0]):
            third.weight[channel_number, channel_number] += 0.25


class Heads(nn.Module):
    """One linear layer for each target, each on its own weighted sum of the layers."""

    def __init__(self, sizes: dict[str, int], width: int, num_states: int) -> None:
        super().__init__()
        self.mixes = nn.ParameterDict({name: torch.zeros(num_states) for name in sizes})
        pooled = {name: 2 if name in ROW_LOSSES else 1 for name in sizes}
        self.linears = nn.ModuleDict(
            {n: nn.Linear(width * pooled[n], size) for n, size in sizes.items()}
        )

    def mixed(self, name: str, states: Tensor) -> Tensor:
        """Return the weighted sum (B, T, D) of all states (L + 1, B, T, D) for a target."""
        return torch.einsum("l,lbtd->btd", self.mixes[name].softmax(0), states)

    def frames(self, name: str, states: Tensor) -> Tensor:
        """Return logits (B, T, C)."""
        made: Tensor = self.linears[name](self.mixed(name, states))
        return made

    def rows(self, name: str, states: Tensor, mask: Tensor | None = None) -> Tensor:
        """Return logits (B, C) from the mean and deviation over the frames, all or those given."""
        mixed = self.mixed(name, states)
        mask = mixed.new_ones(mixed.shape[:2]) if mask is None else mask.float()
        weight = (mask / mask.sum(dim=1, keepdim=True).clamp(min=1))[..., None]
        mean = (mixed * weight).sum(dim=1)
        deviation = (((mixed - mean[:, None]) ** 2 * weight).sum(dim=1) + 1e-5).sqrt()
        made: Tensor = self.linears[name](torch.cat((mean, deviation), dim=-1))
        return made


def all_states(model: HubertModel, wave: Tensor, mask: Tensor | None = None) -> Tensor:
    """Return the normalised input of every layer and the output of the last: (L + 1, B, T, D)."""
    hidden = model.feature_projection(model.feature_extractor(wave).transpose(1, 2))
    if mask is not None:
        hidden = torch.where(mask[..., None], model.masked_spec_embed, hidden)
    encoder: Any = model.encoder
    hidden = hidden + encoder.pos_conv_embed(hidden)
    states = [hidden]
    for layer in encoder.layers:
        hidden = layer(hidden)
        states.append(hidden)
    states[-1] = encoder.layer_norm(hidden)
    return torch.stack([F.layer_norm(state, state.shape[-1:]) for state in states])


@dataclass
class Run:
    """The complete training state."""

    model: HubertModel
    heads: Heads
    centres: dict[str, Tensor]
    optimizer: torch.optim.AdamW = field(init=False)
    last: Heads | None = None
    step: int = 0

    def parameters(self) -> dict[str, nn.Parameter]:
        """Return all parameters by name."""
        modules = {"model": self.model, "heads": self.heads}
        return stage.named_parameters(**modules, **({"last": self.last} if self.last else {}))


def targets(wave: Tensor, rows: Rows, centres: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return the classes of every frame (B, T); -100 where there is none."""
    mels = features.log_mel(wave)
    frames = features.num_frames(wave.shape[1])
    middle = 2 * np.arange(frames) + features.FIELD // 2 // 160
    return {
        "phone": torch.from_numpy(rows.phones[:, middle]),
        "word": torch.from_numpy(rows.words[:, middle]),
        "cepstra": features.nearest(features.cepstra(mels), centres["cepstra"]),
        "mels": features.nearest(features.smooth_mels(mels), centres["mels"]),
        "pitch": features.pitch_class(wave),
        "level": features.level_class(mels),
    }


def cluster(corpus: Corpus, seed: int) -> dict[str, Tensor]:
    """Return centres of cepstra and log-mel over random rows."""
    rng = np.random.default_rng([seed, 1])
    wave = scaled(torch.from_numpy(corpus.rows(rng, KMEANS_ROWS * 5, 32000, at_words=False).wave))
    mels = features.log_mel(wave)
    found = {"cepstra": features.cepstra(mels), "mels": features.smooth_mels(mels)}
    return {
        name: torch.from_numpy(
            MiniBatchKMeans(CLUSTERS[name], random_state=seed, n_init=3, batch_size=4096)
            .fit(frames.reshape(-1, frames.shape[-1]).numpy())
            .cluster_centers_.astype(np.float32)
        )
        for name, frames in found.items()
    }


def losses(run: Run, corpus: Corpus, seed: int) -> dict[str, Tensor]:
    """Return every loss of one step; random draws depend only on the seed and the step number."""
    rng = np.random.default_rng([seed, 2, run.step])
    generator = torch.Generator().manual_seed(seed * 1_000_003 + run.step)
    at_words = rng.random() < 0.35
    size_s = 0.64 if at_words else float(rng.choice((1.0, 1.6, 2.4, 3.2)))
    rows = corpus.rows(rng, round(BATCH_S / size_s), int(size_s * 16000), at_words=at_words)
    with torch.no_grad():
        clean = scaled(torch.from_numpy(rows.wave))
        wanted = targets(clean, rows, run.centres)
        heard = disturbed(channel(clean, generator), generator)
    frames = wanted["phone"].shape[1]
    mask = spans(len(heard), frames, 0.15 if at_words else MASKED, SPAN, generator)
    device = run.model.device
    states = all_states(run.model, heard.to(device), mask.to(device))
    wanted = {name: classes.to(device) for name, classes in wanted.items()}
    found = _found(run.heads, states, wanted, rows, at_words=at_words)
    if run.last is not None:
        of_last = _found(run.last, states[-1:], wanted, rows, at_words=at_words)
        found |= {f"last {name}": loss for name, loss in of_last.items()}
    return found


def _found(
    heads: Heads, states: Tensor, wanted: dict[str, Tensor], rows: Rows, *, at_words: bool
) -> dict[str, Tensor]:
    """Return the loss of every target that is known for these rows."""
    found = {}
    for name in FRAME_LOSSES:
        logits = heads.frames(name, states).flatten(0, 1)
        total = F.cross_entropy(logits, wanted[name].flatten(), ignore_index=-100, reduction="sum")
        found[name] = total / (wanted[name] != -100).sum().clamp(min=1)
    voices = torch.from_numpy(rows.voices).to(states.device)
    if bool((voices >= 0).any()):
        found["voice"] = F.cross_entropy(heads.rows("voice", states), voices, ignore_index=-100)
    manner = torch.from_numpy(rows.pitches).to(states.device)
    known = ~manner.isnan()
    if bool(known.any()):
        error = (heads.rows("manner", states) - manner)[known]
        found["manner"] = error.square().mean() * 12  # 1 for a guess at the middle of 0 to 1
    if at_words:
        words = wanted["word"]
        first = words[
            torch.arange(len(words), device=words.device), (words >= 0).float().argmax(dim=1)
        ]
        inside = (words == first[:, None]) & (words >= 0)
        if bool((first >= 0).any()):
            logits = heads.rows("spoken", states, inside)
            found["spoken"] = F.cross_entropy(logits, first, ignore_index=-100)
    return found


def new_model(seed: int) -> HubertModel:
    """Return the initial model: random weights after a filter bank."""
    torch.manual_seed(seed)
    config = HubertConfig(**NAMED["tiny-hubert"][1], attn_implementation="eager")
    model = HubertModel(config).eval()  # no dropout: 3 million parameters do not overfit
    spectral_start(model)
    return model


def start(options: argparse.Namespace, corpus: Corpus) -> Run:
    """Return a new run, or the one stored in the folder."""
    model = new_model(options.seed).to(options.device)
    sizes = {
        "phone": corpus.num_symbols,
        "word": len(ENGLISH_WORDS),
        **CLUSTERS,
        "pitch": features.PITCH_BINS + 1,
        "level": features.LEVEL_BINS,
        "voice": corpus.num_voices,
        "manner": 3,
        "spoken": len(ENGLISH_WORDS),
    }
    width = model.config.hidden_size
    heads = Heads(sizes, width, model.config.num_hidden_layers + 1).to(options.device)
    run = Run(model, heads, {})
    if options.start:
        run.centres = stage.fill(options.start, run.parameters())
        fresh = new_model(options.seed + 1).to(options.device).encoder
        model.encoder.layers[-1] = fresh.layers[-1]
        model.encoder.layer_norm = fresh.layer_norm
        run.last = Heads(sizes, width, 1).to(options.device)
    run.optimizer = torch.optim.AdamW(
        run.parameters().values(), betas=(0.9, 0.98), weight_decay=0.02
    )
    if (options.out / stage.CHECKPOINT).is_file():
        run.step, run.centres = stage.load(options.out, run.parameters(), run.optimizer)
        print(f"going on from step {run.step}", flush=True)
    elif not options.start:
        run.centres = cluster(corpus, options.seed)
    return run


def export(model: HubertModel, folder: Path) -> None:
    """Write the model for the model hub: weights in half precision, to be loaded as float32."""
    halves = {name: value.half() for name, value in model.state_dict().items()}
    model.save_pretrained(folder, state_dict=halves)
    Wav2Vec2FeatureExtractor(return_attention_mask=True).save_pretrained(folder)


def main() -> None:
    """Train, with a checkpoint now and then, and export."""
    parser = stage.parser(__doc__.splitlines()[0], "tiny-hubert", 12000, 1.5e-3)
    parser.add_argument("--fsdd", type=Path, help="FSDD recordings; left out if not given")
    parser.add_argument("--start", type=Path, help="OUT of a first stage, for the second")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    options.out.mkdir(parents=True, exist_ok=True)
    corpus = Corpus(options.speech, options.sounds, options.fsdd)
    run = start(options, corpus)
    print(f"{corpus.hours:.1f} h of synthetic speech, {len(corpus.sounds)} sounds", flush=True)
    parameters = run.parameters()
    began, sums, counts = time.perf_counter(), {}, {}
    weights = FRAME_LOSSES | ROW_LOSSES
    while run.step < options.steps:
        for group in run.optimizer.param_groups:
            group["lr"] = stage.rate(run.step, options.steps, options.lr)
        with torch.autocast(run.model.device.type, torch.bfloat16):
            found = losses(run, corpus, options.seed)
        run.optimizer.zero_grad()
        sum(weights[name.removeprefix("last ")] * loss for name, loss in found.items()).backward()
        nn.utils.clip_grad_norm_(parameters.values(), 1.0)
        run.optimizer.step()
        run.step += 1
        for name, loss in found.items():
            sums[name] = sums.get(name, 0.0) + loss.item()
            counts[name] = counts.get(name, 0) + 1
        if run.step % 100 == 0:
            means = {name: round(sums[name] / counts[name], 3) for name in sums}
            if not math.isfinite(sum(sums.values())):
                raise SystemExit(f"step {run.step}: a loss is no number: {means}")
            line = {"step": run.step, "hours_seen": round(run.step * BATCH_S / 3600, 2), **means}
            print(json.dumps(line | {"s": round(time.perf_counter() - began)}), flush=True)
            sums, counts = {}, {}
        if run.step % 500 == 0:
            stage.save(options.out, run.step, parameters, run.optimizer, run.centres)
            export(run.model, options.out / "export")
    stage.save(options.out, run.step, parameters, run.optimizer, run.centres)
    export(run.model, options.out / "export")


if __name__ == "__main__":
    main()
