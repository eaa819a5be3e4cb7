"""AdapterHub's `adapters`, in an environment of its own: `bench.py` runs this and reads its JSON.

It has no speech model and needs an older transformers. This is BERT base with random weights on
4 x 200 tokens, one CPU thread, as a ratio to the bare forward pass of the same model.
"""

import json
import statistics
import sys
import time

import torch
from adapters import BertAdapterModel, Parallel
from torch import nn
from transformers import BertConfig


def compare(actions, rounds):
    """Return the ratio of every action to the first in the same round: median and quartiles."""
    for action in actions.values():
        action()
    names, seconds = list(actions), {name: [] for name in actions}
    for number in range(rounds):
        shift = number % len(names)
        for name in names[shift:] + names[:shift]:
            begun = time.process_time()
            actions[name]()
            seconds[name].append(time.process_time() - begun)
    found = {}
    for name, values in seconds.items():
        ratios = [a / b for a, b in zip(values, seconds[names[0]], strict=True)]
        low, middle, high = statistics.quantiles(ratios, n=4)
        found[name] = {"median": middle, "low": low, "high": high}
    return found


def step(adapter, config, tokens):
    """Return a training step of one adapter with a linear head."""
    model = BertAdapterModel(config)
    model.add_adapter("a", config=adapter)
    model.train_adapter("a")
    model.set_active_adapters("a")
    head = nn.Linear(config.hidden_size, 10)
    trained = [p for p in model.parameters() if p.requires_grad] + list(head.parameters())
    optimizer = torch.optim.AdamW(trained, lr=1e-4, fused=True)
    model.train()

    def run():
        optimizer.zero_grad()
        output = head(model.bert(tokens).last_hidden_state.mean(dim=1))
        nn.functional.cross_entropy(output, torch.arange(len(tokens)) % 10).backward()
        optimizer.step()

    return run


def main():
    """Measure and print JSON."""
    torch.set_num_threads(1)
    rounds = int(sys.argv[1])
    torch.manual_seed(0)
    tokens = torch.randint(1000, 20_000, (4, 200))
    tiny = {"hidden_size": 32, "num_attention_heads": 2, "intermediate_size": 32}
    config = BertConfig(**tiny) if "--quick" in sys.argv else BertConfig()
    bare = BertAdapterModel(config).eval()
    many = BertAdapterModel(config).eval()
    for number in range(5):
        many.add_adapter(f"a{number}", config="lora")
    every = [f"a{number}" for number in range(5)]

    @torch.no_grad()
    def loop():
        for name in every:
            many.set_active_adapters(name)
            many.bert(tokens[:1])

    @torch.no_grad()
    def parallel():
        many.set_active_adapters(Parallel(*every))
        many.bert(tokens[:1])

    found = compare(
        {
            "bare forward": torch.no_grad()(lambda: bare.bert(tokens)),
            "LoRA step": step("lora", config, tokens),
            "bottleneck step": step("seq_bn", config, tokens),
        },
        rounds,
    )
    five = {
        "one forward": torch.no_grad()(lambda: bare.bert(tokens[:1])),
        "one after the other": loop,
        "Parallel": parallel,
    }
    found |= {f"five LoRA, 1 x 200: {key}": value for key, value in compare(five, rounds).items()}
    print(json.dumps(found))


if __name__ == "__main__":
    main()
