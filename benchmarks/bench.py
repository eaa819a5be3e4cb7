"""What work is saved, against transformers and peft: every row of `docs/reference/speed.md`.

    python benchmarks/bench.py                      all groups on the CPU, one thread
    python benchmarks/bench.py --groups steps,bank  some of them; the others stay as stored
    python benchmarks/bench.py --device cuda        the same on a GPU

Within a comparison all variants share a process and take turns, in an order that rotates from round
to round; a figure is the ratio to the first variant in the same round: median and quartiles.
Processor time on a CPU, so that a busy machine disturbs less; on a GPU the time until it is idle.
Random weights at true size, noise as sound. Results: `results/bench-DEVICE.json`.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Callable, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from transformers import AutoConfig, AutoModel

from ossicle import strict_json
from ossicle.adapters.check import attach
from ossicle.adapters.model import AdaptedModel
from ossicle.adapters.saving import save
from ossicle.backbones import NAMED, fast, load_backbone
from ossicle.data import bucketed, bucketed_by_length
from ossicle.frozen.cache import StateCache, as_numbers
from ossicle.frozen.cut import find_cut, run_to_cut
from ossicle.frozen.part import FrozenPart, Item, states_bytes
from ossicle.heads import build_head
from ossicle.inference import AdapterBank
from ossicle.recipes.recipe import Recipe

RESULTS = Path(__file__).parent / "results"
ADAPTERHUB = Path(__file__).resolve().parent.parent / ".venv-adapterhub"
BASE = "config:hubert-base"
SMALL = (
    "config:hubert-base?hidden_size=256&num_hidden_layers=6&num_attention_heads=4"
    "&intermediate_size=1024"
)
CLASSES = 10
RATE = 16_000
# glibc keeps large blocks instead of giving them back and asking for them again
ALLOCATOR = "glibc.malloc.mmap_max=0:glibc.malloc.trim_threshold=4294967296"

Action = Callable[[], Any]
Figures = dict[str, Any]


class Bench:
    """How to measure: rounds, and the device that has to be idle before the clock is read."""

    def __init__(self, device: str, rounds: int, threads: int) -> None:
        self.device, self.rounds, self.threads = device, rounds, threads
        torch.set_num_threads(threads)

    def now(self) -> float:
        """Return the time in seconds."""
        if self.device == "cuda":
            torch.cuda.synchronize()
            return time.perf_counter()
        return time.process_time()

    def ratios(self, actions: dict[str, Action], rounds: int | None = None) -> Figures:
        """Return the ratio of every action to the first in the same round, and its seconds."""
        for action in actions.values():
            action()
        names, seconds = list(actions), {name: [] for name in actions}
        for number in range(rounds or self.rounds):
            shift = number % len(names)
            for name in names[shift:] + names[:shift]:
                begun = self.now()
                actions[name]()
                seconds[name].append(self.now() - begun)
        return {
            name: spread([a / b for a, b in zip(values, seconds[names[0]], strict=True)])
            | {"seconds": statistics.median(values)}
            for name, values in seconds.items()
        }


def spread(values: Sequence[float]) -> dict[str, float]:
    """Return median and quartiles."""
    low, middle, high = statistics.quantiles(values, n=4)
    return {"median": middle, "low": low, "high": high}


def noise(*seconds: float) -> list[Any]:
    """Return waves of noise."""
    rng = np.random.default_rng(0)
    return [rng.normal(0, 0.1, int(s * RATE)).astype(np.float32) for s in seconds]


def stock(name: str, device: str) -> Any:
    """Return transformers' own model as released, by the same names as ours."""
    short, _, query = name.removeprefix("config:").partition("?")
    family, settings = NAMED[short]
    changed = {key: int(value) for key, value in (p.split("=") for p in query.split("&") if p)}
    config = AutoConfig.for_model(family.model_type, **{**settings, **changed})
    return family.encoder(AutoModel.from_config(config)).eval().to(device)


def adapted(name: str, recipe: str, device: str) -> AdaptedModel:
    """Return a recipe on a backbone of its own, with a head on the mean."""
    backbone, plan = load_backbone(name, device=device), Recipe.parse(recipe)
    with torch.device(device):
        head = build_head("mean", plan.seen_by_head(backbone.anatomy), CLASSES)
    return attach(backbone, plan, head)


def training_step(outputs: Callable[[], Tensor], parameters: Sequence[nn.Parameter]) -> Action:
    """Return a step with fused AdamW, which ossicle and transformers' trainer both use."""
    optimizer = torch.optim.AdamW(parameters, lr=1e-4, fused=True)

    def step() -> None:
        optimizer.zero_grad()
        made = outputs()
        target = torch.arange(len(made), device=made.device) % CLASSES
        nn.functional.cross_entropy(made, target).backward()
        optimizer.step()

    return step


def store_of(model: AdaptedModel, folder: str) -> StateCache:
    """Return the store of a model's states in a folder; recipes of one cut have the same."""
    about = {"cut": str(find_cut(model)), "width": model.backbone.anatomy.width}
    return StateCache(Path(folder), 10**12, about, {})


def keep(model: AdaptedModel, waves: Sequence[Any], folder: str) -> StateCache:
    """Write the states of waves into a folder in float16, numbered."""
    store, rows = store_of(model, folder), [model.backbone.row(wave) for wave in waves]
    for number, state in enumerate(run_to_cut(model.backbone, rows, find_cut(model))):
        kept = as_numbers(state.cpu().numpy(), "float16")
        store.put(f"{number:032}", kept, rows[number][1])
    return store


def our_step(model: AdaptedModel, waves: Sequence[Any], folder: str | None) -> Action:
    """Return a step as `ossicle train` takes it: from sound, or from states in a folder."""
    store = None if folder is None else keep(model, waves, folder)
    return step_of(model, [model.backbone.row(wave) for wave in waves], store)


def step_of(model: AdaptedModel, rows: Sequence[Any], store: StateCache | None) -> Action:
    """Return a step on rows, or on as many numbered entries of a store."""
    frozen = FrozenPart(find_cut(model), store, "float16")

    def items() -> list[Item]:
        if store is None:
            return [Item(row, None, row[1], None) for row in rows]
        found = [store.get(f"{number:032}") for number in range(len(rows))]
        return [Item(None, torch.from_numpy(one[0]).float(), one[1], None) for one in found if one]

    model.train()

    def outputs() -> Tensor:
        return torch.stack(frozen.outputs(model, items()))

    return training_step(outputs, list(model.trainable(model.current).values()))


def peft_model(name: str, device: str, layers: Sequence[int] | None, *, freeze: bool) -> Any:
    """Return peft's LoRA of rank 8 at q and v on transformers' model."""
    from peft import LoraConfig, get_peft_model

    model = stock(name, device)
    if freeze:
        model.feature_extractor._freeze_parameters()
    config = LoraConfig(r=8, target_modules=["q_proj", "v_proj"], layers_to_transform=layers)
    return get_peft_model(model, config)


def peft_step(
    name: str, waves: Sequence[Any], device: str, layers: Sequence[int] | None, *, freeze: bool
) -> Action:
    """Return a step of peft, in training mode as its documentation shows it."""
    model = peft_model(name, device, layers, freeze=freeze).train()
    head = nn.Linear(model.config.hidden_size, CLASSES, device=device)
    values = torch.from_numpy(np.stack(waves)).to(device)
    parameters = [p for p in model.parameters() if p.requires_grad] + list(head.parameters())
    return training_step(
        lambda: head(model(input_values=values).last_hidden_state.mean(dim=1)), parameters
    )


def plain_step(
    name: str, waves: Sequence[Any], device: str, *, states: bool, freeze: bool, full: bool = False
) -> Action:
    """Return a step on transformers' model with every parameter frozen in a loop, or none.

    Args:
        name: Of the model.
        waves: Of one length.
        device: Where.
        states: A learnt sum of all states, not the last state alone.
        freeze: Call `_freeze_parameters` of the CNN.
        full: Train everything else.
    """
    model = stock(name, device).train()
    for parameter in model.parameters():
        parameter.requires_grad_(full)
    if freeze:
        model.feature_extractor._freeze_parameters()
    head = nn.Linear(model.config.hidden_size, CLASSES, device=device)
    weights = nn.Parameter(torch.zeros(model.config.num_hidden_layers + 1, device=device))
    values = torch.from_numpy(np.stack(waves)).to(device)

    def outputs() -> Tensor:
        made = model(input_values=values, output_hidden_states=states)
        hidden = made.last_hidden_state
        if states:
            stacked = torch.stack(made.hidden_states)  # LayerDrop, as released, leaves some out
            shares = weights[: len(stacked)].softmax(0)
            hidden = (shares[:, None, None, None] * stacked).sum(dim=0)
        return head(hidden.mean(dim=1))

    trained = [p for p in model.parameters() if p.requires_grad] + list(head.parameters())
    return training_step(outputs, [*trained, weights] if states else trained)


def bare(name: str, waves: Sequence[Any], device: str) -> Action:
    """Return transformers' forward pass without gradients."""
    model, values = stock(name, device), torch.from_numpy(np.stack(waves)).to(device)
    return torch.no_grad()(lambda: model(values))


def ours(name: str, waves: Sequence[Any], device: str, **how: Any) -> Action:
    """Return ossicle's forward pass without gradients, and without any adapter."""
    backbone = load_backbone(name, device=device, **how)
    values, lengths = (part.to(device) for part in backbone.batch(waves))
    return torch.no_grad()(lambda: backbone(values, lengths))


def in_bfloat16(action: Action, device: str) -> Action:
    """Return the same under autocast, as `--precision bfloat16` runs it."""

    def run() -> None:
        with torch.autocast(device, torch.bfloat16):
            action()

    return run


def steps(bench: Bench) -> Figures:
    """Training steps on HuBERT base, 2 x 4 s, to transformers' bare forward pass beside them."""
    waves, device = noise(4, 4), bench.device
    found: Figures = {}
    with tempfile.TemporaryDirectory() as folder:

        def both(recipe: str) -> dict[str, Action]:
            models = [adapted(BASE, recipe, device) for _ in range(2)]
            sound, kept = our_step(models[0], waves, None), our_step(models[1], waves, folder)
            return {"ossicle": sound, "ossicle, cached": kept}

        def measure(label: str, theirs: dict[str, Action], mine: dict[str, Action]) -> None:
            ratios = bench.ratios({"bare forward": bare(BASE, waves, device), **theirs, **mine})
            found.update({f"{label}: {k}": v for k, v in ratios.items() if k != "bare forward"})

        for label, layers, recipe in (
            ("LoRA, all layers", None, "lora"),
            ("LoRA, top 4 of 12 layers", list(range(8, 12)), "lora[8:]"),
            ("LoRA, top layer", [11], "lora[11:]"),
        ):
            theirs = {
                "peft": peft_step(BASE, waves, device, layers, freeze=False),
                "peft, CNN frozen": peft_step(BASE, waves, device, layers, freeze=True),
            }
            measure(label, theirs, both(recipe))
        measure("L-adapters", {}, both("l-adapter"))
        for label, recipe in (("weighted sum", "weighted-sum"), ("linear probe", "linear")):
            states = recipe == "weighted-sum"
            loop = plain_step(BASE, waves, device, states=states, freeze=False)
            measure(label, {"frozen in a loop": loop}, both(recipe))
        full = plain_step(BASE, waves, device, states=False, freeze=True, full=True)
        mine = our_step(adapted(BASE, "full@transformer", device), waves, folder)
        measure("full, CNN frozen", {"transformers": full}, {"ossicle, cached": mine})
    return found


FORWARDS = {
    "HuBERT base, 4 x 4 s": (BASE, (4, 4, 4, 4)),
    "HuBERT base, 1 x 4 s": (BASE, (4,)),
    "WavLM large CNN, 4 x 4 s": ("config:wavlm-large?num_hidden_layers=1", (4, 4, 4, 4)),
    "HuBERT of 6 layers of 256, 4 x 4 s": (SMALL, (4, 4, 4, 4)),
    "AST base, 1 x 10 s": ("config:ast-base", (10,)),
}


def forward(bench: Bench) -> Figures:
    """The frozen forward pass: transformers', ossicle's, and ossicle's without shortcuts.

    Each size in a process of its own: how memory is had depends on what was there before.
    """
    found = {}
    for label in FORWARDS:
        options = ["--device", bench.device, "--rounds", str(bench.rounds), "--forward", label]
        command = [sys.executable, "-W", "ignore", __file__, *options]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        found |= {f"{label}: {key}": value for key, value in json.loads(done.stdout).items()}
    return found


def one_forward(bench: Bench, label: str) -> Figures:
    """Return the ratios of one size."""
    name, seconds = FORWARDS[label]
    waves = noise(*seconds)
    if "ast" in name:
        model = stock(name, bench.device)
        values = load_backbone(name).batch(waves)[0].to(bench.device)
        theirs = torch.no_grad()(lambda: model(values))
    else:
        theirs = bare(name, waves, bench.device)
    return bench.ratios(
        {
            "transformers": theirs,
            "ossicle": ours(name, waves, bench.device),
            "ossicle, --no-fast": ours(name, waves, bench.device, fast=False),
            "ossicle, bfloat16": in_bfloat16(ours(name, waves, bench.device), bench.device),
        }
    )


def front(bench: Bench) -> Figures:
    """CNN and positions alone, to transformers' modules."""
    found = {}
    for label, name, count, seconds in (
        ("base, 4 x 4 s", BASE, 4, 4),
        ("base, 1 x 4 s", BASE, 1, 4),
        ("large, 4 x 4 s", "config:wavlm-large?num_hidden_layers=1", 4, 4),
        ("large, 1 x 4 s", "config:wavlm-large?num_hidden_layers=1", 1, 4),
    ):
        model = load_backbone(name).model
        cnn, embed = model.feature_extractor, model.encoder.pos_conv_embed
        waves = torch.from_numpy(np.stack(noise(*[seconds] * count)))
        hidden = torch.randn(count, 50 * seconds - 1, model.config.hidden_size)
        parts = {
            f"CNN, {label}": (
                lambda c=cnn, w=waves: c(w),
                lambda c=cnn, w=waves: [fast.run_cnn(c, row) for row in w],
            ),
            f"positions, {label}": (
                lambda e=embed, h=hidden: e(h),
                lambda e=embed, h=hidden: fast.run_positions(e, h),
            ),
        }
        for part, (theirs, mine) in parts.items():
            with torch.no_grad():
                ratios = bench.ratios({"transformers": theirs, "ossicle": mine})
            found |= {f"{part}: {key}": value for key, value in ratios.items()}
    return found


def attention(bench: Bench) -> Figures:
    """WavLM base with its own attention and with ossicle's, forward and with a backward pass."""
    found = {}
    for label, seconds in (("2 x 4 s", (4, 4)), ("1 x 12 s", (12,))):
        waves, device = noise(*seconds), bench.device
        theirs, mine = stock("config:wavlm-base", device), load_backbone("config:wavlm-base")
        mine = mine.to(device)
        given = [torch.randn(len(waves), 50 * seconds[0] - 1, 768, device=device)]
        layers = theirs.encoder.layers, mine.model.encoder.layers

        def through(stack: Any, hidden: Tensor) -> Tensor:
            bias = None
            for layer in stack:
                hidden, bias = layer(hidden, position_bias=bias)
            return hidden

        def both(stack: Any, given: list[Tensor] = given) -> None:
            hidden = given[0].clone().requires_grad_(True)
            through(stack, hidden).sum().backward()

        for model in (theirs, mine):
            model.requires_grad_(False)
        with torch.no_grad():
            ratios = bench.ratios(
                {
                    "transformers": lambda s=layers[0], g=given: through(s, g[0]),
                    "ossicle": lambda s=layers[1], g=given: through(s, g[0]),
                }
            )
        found |= {f"layers forward, {label}: {key}": value for key, value in ratios.items()}
        ratios = bench.ratios(
            {
                "transformers": lambda s=layers[0]: both(s),
                "ossicle": lambda s=layers[1]: both(s),
            }
        )
        found |= {f"forward and backward, {label}: {key}": v for key, v in ratios.items()}
    return found


def ast(bench: Bench) -> Figures:
    """AST base on a clip of its own length, to the same padded to 1024 mel frames."""
    name, found = "config:ast-base", {}
    for seconds in (5, 1):
        waves = noise(seconds)
        actions = {
            "padded": ours(name, waves, bench.device),
            "own length": ours(f"{name}?length=own", waves, bench.device),
        }
        ratios = bench.ratios(actions)
        found |= {f"{seconds} s: {key}": value for key, value in ratios.items()}
    extractor = load_backbone(name)
    (wave,) = noise(10)
    ratios = bench.ratios(
        {
            "transformers": lambda: extractor.extractor(
                wave, sampling_rate=RATE, return_tensors="np"
            ),
            "ossicle": lambda: extractor.row(wave),
        }
    )
    return found | {f"filter bank of 10 s: {key}": value for key, value in ratios.items()}


def lengths(bench: Bench) -> Figures:
    """A pass over 24 clips of 1 to 10 s, most of them short, on HuBERT of 6 layers of 256."""
    rng = np.random.default_rng(0)
    seconds = np.clip(rng.lognormal(0.7, 0.6, 24), 1, 10)
    waves, device = noise(*seconds), bench.device
    sizes = [len(wave) for wave in waves]
    model, backbone = stock(SMALL, device), load_backbone(SMALL, device=device)
    shuffled = rng.permutation(24).reshape(-1, 8).tolist()

    @torch.no_grad()
    def theirs(plan: Sequence[Sequence[int]]) -> None:
        for batch in plan:
            longest = max(sizes[i] for i in batch)
            values = torch.zeros(len(batch), longest, device=device)
            for row, i in enumerate(batch):
                values[row, : sizes[i]] = torch.from_numpy(waves[i])
            reach = torch.tensor([sizes[i] for i in batch], device=device)
            mask = (torch.arange(longest, device=device) < reach[:, None]).long()
            model(values, attention_mask=mask)

    @torch.no_grad()
    def mine(plan: Sequence[Sequence[int]]) -> None:
        for batch in plan:
            backbone(*(part.to(device) for part in backbone.batch([waves[i] for i in batch])))

    cut = find_cut(AdaptedModel(backbone))
    buckets = bucketed(sizes, 8, seed=0, epoch=0)
    budget = bucketed_by_length(sizes, 24 * RATE, seed=0, epoch=0)
    rows = [backbone.row(wave) for wave in waves]
    return bench.ratios(
        {
            "transformers, random batches of 8": lambda: theirs(shuffled),
            "transformers, buckets of like length": lambda: theirs(buckets),
            "ossicle, buckets of like length": lambda: mine(buckets),
            "ossicle, 24 s a batch": lambda: mine(budget),
            "ossicle, the frozen part as it runs in training": lambda: run_to_cut(
                backbone, rows, cut
            ),
        }
    )


def loading(bench: Bench) -> Figures:
    """Loading a LoRA into a live HuBERT base, to copying its tensors; and switching to it."""
    from safetensors.torch import load_file

    device, found = bench.device, {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        model = adapted(BASE, "lora", device)
        save(model, folder / "ours")
        theirs = peft_model(BASE, device, None, freeze=True)
        theirs.save_pretrained(folder / "peft")
        own = list(model.trainable(model.current).items())

        @torch.no_grad()
        def copy() -> None:
            tensors = load_file(folder / "ours" / "adapter.safetensors", device=device)
            for key, parameter in own:
                parameter.copy_(tensors[key])

        bank, loaded = AdapterBank(load_backbone(BASE, device=device)), [0, 0]
        bank.load("first", folder / "ours")

        def load_ours() -> None:
            loaded[0] += 1
            bank.load(f"a{loaded[0]}", folder / "ours")

        def load_peft() -> None:
            loaded[1] += 1
            theirs.load_adapter(folder / "peft", f"a{loaded[1]}")

        for there in (0, 50):
            while len(bank) < there:
                load_ours()
            while len(theirs.peft_config) < there:
                load_peft()
            actions = {"raw copy": copy, "ossicle": load_ours, "peft": load_peft}
            ratios = bench.ratios(actions, rounds=5)
            label = f"load, {there} resident" if there else "load, the first few"
            found |= {f"{label}: {key}": value for key, value in ratios.items()}
            turn = [0]

            def switch(turn: list[int] = turn) -> None:
                turn[0] += 1
                theirs.set_adapter(f"a{1 + turn[0] % 3}")

            def use(turn: list[int] = turn) -> None:
                turn[0] += 1
                bank._model.act(("kind 0",) if turn[0] % 2 else ())

            ratios = bench.ratios({"peft": switch, "ossicle": use}, rounds=9)
            label = f"switch, {max(there, 8)} resident"
            found |= {f"{label}: {key}": value for key, value in ratios.items()}
    return found


def bank_of(name: str, recipe: str, count: int, device: str) -> AdapterBank:
    """Return a bank with so many adapters of a recipe, and other numbers in each."""
    backbone, plan = load_backbone(name, device=device), Recipe.parse(recipe)
    bank = AdapterBank(backbone)
    model = adapted(name, recipe, device)
    for number in range(count):
        tensors = {
            key: torch.randn_like(value) * 0.02
            for key, value in model.trainable(model.current).items()
        }
        bank.add(f"a{number}", plan, "mean", CLASSES, tensors)
    return bank


def peft_bank(name: str, layers: Sequence[int] | None, count: int, device: str) -> Any:
    """Return peft's model with so many adapters."""
    from peft import LoraConfig

    model = peft_model(name, device, layers, freeze=True)
    config = LoraConfig(r=8, target_modules=["q_proj", "v_proj"], layers_to_transform=layers)
    for number in range(count):
        model.add_adapter(f"a{number}", config)
    return model.eval()


def bank(bench: Bench) -> Figures:
    """Five adapters on one recording, and eight requests to eight adapters: LoRA on HuBERT base."""
    device, found = bench.device, {}
    for size, name in (("base", BASE), ("6 layers of 256", SMALL)):
        top = 8 if name == BASE else 4
        for label, recipe, layers in (
            ("all layers", "lora", None),
            ("top third", f"lora[{top}:]", list(range(top, 12 if name == BASE else 6))),
        ):
            (wave,) = noise(4)
            values = torch.from_numpy(wave)[None].to(device)
            five, theirs = bank_of(name, recipe, 5, device), peft_bank(name, layers, 5, device)
            names = five.names

            @torch.no_grad()
            def loop(theirs: Any = theirs, values: Tensor = values) -> None:
                for number in range(5):
                    theirs.set_adapter(f"a{number}")
                    theirs(input_values=values)

            @torch.no_grad()
            def named(theirs: Any = theirs, values: Tensor = values) -> None:
                theirs(input_values=values.expand(5, -1), adapter_names=[f"a{n}" for n in range(5)])

            ratios = bench.ratios(
                {
                    "bare forward": bare(name, [wave], device),
                    "peft, one after the other": loop,
                    "peft, adapter_names": named,
                    "ossicle": lambda b=five, w=wave, n=names: b.ensemble([w], n),
                }
            )
            found |= {f"five, {label}, {size}: {key}": value for key, value in ratios.items()}
        waves = noise(*[2] * 8)
        eight, theirs = bank_of(name, "lora", 8, device), peft_bank(name, None, 8, device)
        values, mix = torch.from_numpy(np.stack(waves)).to(device), [f"a{n}" for n in range(8)]

        @torch.no_grad()
        def one_by_one(theirs: Any = theirs, values: Tensor = values) -> None:
            for number in range(8):
                theirs.set_adapter(f"a{number}")
                theirs(input_values=values[number : number + 1])

        @torch.no_grad()
        def named_rows(theirs: Any = theirs, values: Tensor = values, mix: Any = mix) -> None:
            theirs(input_values=values, adapter_names=mix)

        ratios = bench.ratios(
            {
                "bare forward": bare(name, waves, device),
                "peft, one after the other": one_by_one,
                "peft, adapter_names": named_rows,
                "ossicle": lambda b=eight, w=waves, m=mix: b.outputs(w, m),
            }
        )
        found |= {f"eight requests, {size}: {key}": value for key, value in ratios.items()}
    model = adapted(BASE, "lora", device).eval()
    waves = noise(4, 4)
    given = tuple(part.to(device) for part in model.backbone.batch(waves))
    ratios = bench.ratios(
        {
            "no adapter": ours(BASE, waves, device),
            "one adapter": torch.no_grad()(lambda: model(*given)),
        }
    )
    return found | {f"unmerged, base, 2 x 4 s: {key}": value for key, value in ratios.items()}


def cache(bench: Bench) -> Figures:
    """What the cache takes on disk for an hour of sound, and how fast it is read and written."""
    found: Figures = {}
    backbone = load_backbone(BASE)
    hour = [10 * RATE] * 360
    for label, recipe in (
        ("the layers' input", "lora"),
        ("what leaves layer 7", "lora[8:]"),
        ("all states", "l-adapter"),
        ("pooled states", "weighted-sum"),
    ):
        cut = find_cut(adapted(BASE, recipe, "cpu"))
        found[f"{label}: MB an hour in float16"] = states_bytes(backbone, cut, hour) / 2 / 1e6
    with tempfile.TemporaryDirectory() as folder:
        store = StateCache(Path(folder), 10**12, {}, {})
        states = np.random.default_rng(0).normal(size=(1, 499, 768)).astype(np.float16)
        count, rates = 200, {"write": [], "read": []}
        for _ in range(bench.rounds):
            begun = time.perf_counter()
            for number in range(count):
                store.put(f"{number:032}", states, 1)
            middle = time.perf_counter()
            for number in range(count):
                store.get(f"{number:032}")
            rates["write"].append(count * states.nbytes / 1e9 / (middle - begun))
            rates["read"].append(count * states.nbytes / 1e9 / (time.perf_counter() - middle))
        for what, values in rates.items():
            found[f"{what}: GB a second, warm"] = spread(values)
    return found


def memory(bench: Bench) -> Figures:
    """Peak memory of a LoRA step on HuBERT base, 4 x 4 s: each variant in a process of its own."""
    found: Figures = {}
    for variant in MEMORY:
        command = [sys.executable, __file__, "--device", bench.device, "--peak", variant]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        found[variant] = json.loads(done.stdout)
    return found


MEMORY = (
    "bare forward",
    "peft",
    "peft, CNN frozen",
    "ossicle",
    "ossicle, cached",
    "ossicle, cached, layers checkpointed",
    "ossicle, top 4 layers, cached",
)


def peak(variant: str, device: str) -> None:
    """Print the memory of a process that has loaded a model, and at most of two steps, in MB."""
    waves = noise(4, 4, 4, 4)
    with tempfile.TemporaryDirectory() as folder:
        if variant == "bare forward":
            action = bare(BASE, waves, device)
        elif variant.startswith("peft"):
            action = peft_step(BASE, waves, device, None, freeze="frozen" in variant)
        else:
            recipe = "lora[8:]" if "top" in variant else "lora"
            model = adapted(BASE, recipe, device)
            if "checkpointed" in variant:
                model.backbone.checkpoint_layers()
            rows, store = [model.backbone.row(wave) for wave in waves], None
            if "cached" in variant:
                if not (child := os.fork()):  # another process writes, as in an earlier epoch
                    keep(model, waves, folder)
                    os._exit(0)
                os.waitpid(child, 0)
                store = store_of(model, folder)
            action = step_of(model, rows, store)
        Path("/proc/self/clear_refs").write_text("5")  # the peak so far was of loading
        before = resident("VmRSS")
        action()
        action()
        print(json.dumps({"loaded": before, "peak": resident("VmHWM")}))


def resident(what: str) -> float:
    """Return the memory of this process in MB: VmRSS now, VmHWM at most.

    `ru_maxrss` would begin with what the process had that started this one.
    """
    lines = Path("/proc/self/status").read_text().splitlines()
    (kilobytes,) = (line.split()[1] for line in lines if line.startswith(f"{what}:"))
    return int(kilobytes) / 1024


def allocator(bench: Bench) -> Figures:
    """The group `forward` again, where glibc keeps its memory: what of the gain is page faults."""
    command = [sys.executable, __file__, "--print", "forward", "--rounds", str(bench.rounds)]
    given = {**os.environ, "GLIBC_TUNABLES": ALLOCATOR}
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=given)
    found: Figures = json.loads(done.stdout)
    return found


def adapterhub(bench: Bench) -> Figures:
    """AdapterHub's library on BERT, which is what it has, in an environment of its own."""
    python = ADAPTERHUB / "bin" / "python"
    if not python.exists():
        venv.create(ADAPTERHUB, with_pip=True)
        torch_here = metadata.version("torch").partition("+")[0]
        wanted = [f"torch=={torch_here}", "adapters==1.3.0"]
        subprocess.run([python, "-m", "pip", "install", "--quiet", *wanted], check=True)
    command = [python, "-W", "ignore", ADAPTERHUB.parent / "benchmarks" / "adapterhub.py"]
    done = subprocess.run([*command, str(bench.rounds)], capture_output=True, text=True, check=True)
    found: Figures = json.loads(done.stdout.splitlines()[-1])
    return found


def curves(bench: Bench) -> Figures:
    """Seconds against what grows: on HuBERT of 6 layers of 256, cached where it says so."""
    device, found = bench.device, {}

    def grow(label: str, actions: dict[float, Action]) -> None:
        ratios = bench.ratios({str(size): action for size, action in actions.items()})
        found[label] = {size: ratio["seconds"] for size, ratio in ratios.items()}

    grow(
        "LoRA step, seconds of sound",
        {s: our_step(adapted(SMALL, "lora", device), noise(s, s), None) for s in (1, 2, 4, 8, 16)},
    )
    grow(
        "LoRA step, layers adapted from the top, cached",
        {n: cached_pair(f"lora[{6 - n}:]", device) for n in (1, 2, 3, 4, 5, 6)},
    )
    (wave,) = noise(2)
    banks = {k: bank_of(SMALL, "lora", k, device) for k in (1, 2, 4, 8, 16, 32)}
    grow(
        "members of an ensemble, one recording of 2 s",
        {k: lambda b=one: b.ensemble([wave], b.names) for k, one in banks.items()},
    )
    banks = {n: bank_of(SMALL, "lora", n, device) for n in (1, 8, 64, 256)}
    waves = noise(*[2] * 4)
    grow(
        "adapters resident, four requests of 2 s",
        {
            n: lambda b=one: b.outputs(waves, [b.names[i % len(b)] for i in range(4)])
            for n, one in banks.items()
        },
    )
    grow("recordings of an epoch, cached", {n: epoch(n, device) for n in (16, 32, 64, 128)})
    return found


def cached_pair(recipe: str, device: str) -> Action:
    """Return a cached step on two waves of 4 s; its folder is left to the end of the process."""
    folder = tempfile.mkdtemp(frozen="ossicle-bench-")
    return our_step(adapted(SMALL, recipe, device), noise(4, 4), folder)


def epoch(count: int, device: str) -> Action:
    """Return so many recordings of 2 s by eights, the top third of the layers adapted, cached."""
    step = our_step(
        adapted(SMALL, "lora[4:]", device),
        noise(*[2] * 8),
        tempfile.mkdtemp(frozen="ossicle-bench-"),
    )

    def run() -> None:
        for _ in range(count // 8):
            step()

    return run


GROUPS: dict[str, Callable[[Bench], Figures]] = {
    group.__name__: group
    for group in (
        steps, forward, allocator, front, attention, ast, lengths, loading, bank, adapterhub,
        cache, memory, curves,
    )
}  # fmt: skip
CPU_ONLY = ("allocator", "front", "adapterhub", "memory")


def main() -> None:
    """Measure and store."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--groups", default=",".join(GROUPS))
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--print", choices=GROUPS, help="one group, on the terminal alone")
    parser.add_argument("--peak", choices=MEMORY, help="memory of one variant")
    parser.add_argument("--forward", choices=FORWARDS, help="one size of the group forward")
    options = parser.parse_args()
    bench = Bench(options.device, options.rounds, options.threads)
    if options.peak:
        peak(options.peak, options.device)
        return
    if options.forward:
        print(json.dumps(one_forward(bench, options.forward)))
        return
    if options.print:
        print(json.dumps(GROUPS[options.print](bench)))
        return
    file = RESULTS / f"bench-{options.device}.json"
    stored = json.loads(file.read_text()) if file.is_file() else {}
    packages = ("ossicle", "torch", "transformers", "peft")
    for name in options.groups.split(","):
        if options.device != "cpu" and name in CPU_ONLY:
            continue
        begun = time.perf_counter()
        figures = GROUPS[name](bench)
        stored[name] = {
            "figures": figures,
            "rounds": options.rounds,
            "device": describe(options.device, options.threads),
            "versions": {package: metadata.version(package) for package in packages},
        }
        file.write_text(strict_json.dumps(stored, indent=1) + "\n", encoding="utf-8")
        print(f"{name}: {GROUPS[name].__doc__} ({time.perf_counter() - begun:.0f} s)")
        for label, value in figures.items():
            print(f"  {label:<70} {shown(value)}")
        sys.stdout.flush()


def shown(value: Any) -> str:
    """Return a figure as text."""
    if isinstance(value, float):
        return f"{value:.1f}"
    if "median" in value:
        return f"{value['median']:.3f} [{value['low']:.3f}, {value['high']:.3f}]"
    return ", ".join(f"{key}: {number:.3g}" for key, number in value.items())


def describe(device: str, threads: int) -> str:
    """Return what was measured on."""
    if device == "cuda":
        return torch.cuda.get_device_name()
    names = [
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    ]
    return f"{names[0] if names else platform.machine()}, {threads} thread{'s' * (threads > 1)}"


if __name__ == "__main__":
    main()
