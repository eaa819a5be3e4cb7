"""Train every preset for an epoch on real recordings: does the loss fall, do all tensors change?

    python benchmarks/presets.py --data FOLDER

FOLDER contains emodb/ and esc10/ as released. Presets of Cappellazzo et al. 2023 (`ast/`) train
`tiny-ast` on ESC-10 (fold 5 is test), all others `tiny-hubert` on the emotions of EmoDB (speakers
03 and 08 are test). SPT with 300 prompts, which are more than `tiny-ast` has tokens, uses the same
architecture for longer clips, with random weights. The loss is the mean over the first and over the
last quarter of the steps. With one epoch, one seed and one learning rate, the results show that a
preset trains, but not how good it is.
"""

import argparse
import tempfile
from pathlib import Path
from typing import Any, Final

import torch

from ossicle import strict_json
from ossicle.adapters.folder import TENSORS
from ossicle.adapters.saving import read_tensors
from ossicle.recipes.presets import PRESETS
from ossicle.training import TrainConfig, train
from ossicle.training.prepare import prepare

SPEECH: Final = ("tiny-hubert", "emodb:{}/emodb?test_speakers=03,08")
SOUNDS: Final = ("tiny-ast", "esc50:{}/esc10?test_fold=5")
LONGER: Final = "config:tiny-ast?max_length=640"
RATES: Final = {"full": 3e-4}  # for methods that train the backbone's own weights
RATE: Final = 3e-3


def run(preset: str, data: Path) -> dict[str, Any]:
    """Train one preset and return its results."""
    backbone, spec = SOUNDS if preset.startswith("ast/") else SPEECH
    means: list[float] = []  # mean loss over all steps so far

    def watch(stage: str, *_: int, **facts: float) -> None:
        if stage == "training":
            means.append(facts["loss"])

    method = PRESETS[preset].expression.partition("@")[0]
    config = TrainConfig(
        backbone=LONGER if preset == "ast/spt-300" else backbone,
        recipe=preset,
        data=spec.format(data),
        epochs=1,
        batch_size=8,
        lr=RATES.get(method, RATE),
        max_seconds=3.0,
        device="cpu",
    )
    with tempfile.TemporaryDirectory() as folder:
        result = train(config, Path(folder) / "run", progress=watch)
        trained, _ = read_tensors(Path(folder) / "run" / TENSORS)
    model = prepare(config).model
    before = model.trainable()
    still = [key for key, value in before.items() if torch.equal(value.detach(), trained[key])]
    steps, quarter = len(means), len(means) // 4
    upto = (steps - quarter) * means[-quarter - 1]
    return {
        "preset": preset,
        "trained": result.parameters["trainable"],
        "tensors": len(before),
        "moved": len(before) - len(still),
        "steps": steps,
        "first": means[quarter - 1],
        "last": (steps * means[-1] - upto) / quarter,
        "accuracy": result.test["accuracy"],
        "seconds": result.train_seconds,
    }


def main() -> None:
    """Run all presets, print a line for each, and write them as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="holds emodb/ and esc10/")
    parser.add_argument("--presets", nargs="*", default=list(PRESETS))
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--json", type=Path, default=Path(__file__).parent / "results/presets.json")
    options = parser.parse_args()
    if options.data is None:
        print("Skipped: real recordings are needed; give --data FOLDER with emodb/ and esc10/.")
        return
    torch.set_num_threads(options.threads)
    print("| preset | trained | tensors changed | loss, first and last quarter | test accuracy |")
    print("|---|---|---|---|---|")
    rows = []
    for preset in options.presets:
        row = run(preset, options.data)
        rows.append(row)
        print(
            f"| `{preset}` | {row['trained']:,} | {row['moved']} of {row['tensors']} |"
            f" {row['first']:.2f} → {row['last']:.2f} | {100 * row['accuracy']:.1f} |",
            flush=True,
        )
        options.json.write_text(strict_json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    unchanged = [row["preset"] for row in rows if row["moved"] != row["tensors"]]
    rising = [row["preset"] for row in rows if row["last"] >= row["first"]]
    print(f"\n{len(rows)} presets; loss not decreasing: {rising}; tensors unchanged: {unchanged}")


if __name__ == "__main__":
    main()
