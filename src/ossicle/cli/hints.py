"""Option names of other tools, and the equivalent options of ossicle."""

from typing import Any, Final

from typer.core import TyperCommand

NAMES: Final = {
    "--lr": ("learning-rate", "rate", "base-lr", "max-lr"),
    "--head-lr": ("head-learning-rate", "classifier-lr"),
    "--epochs": ("num-epochs", "n-epochs", "num-train-epochs", "max-epochs", "epoch"),
    "--batch-size": ("bs", "batch", "batchsize", "per-device-train-batch-size", "train-batch-size"),
    "--batch-seconds": ("batch-duration", "max-batch-seconds"),
    "--accumulate": ("gradient-accumulation-steps", "grad-accum", "accumulate-grad-batches"),
    "--optimizer": ("optim", "optimiser"),
    "--weight-decay": ("wd", "decay", "l2"),
    "--schedule": ("scheduler", "lr-scheduler", "lr-scheduler-type", "lr-schedule"),
    "--warmup": ("warmup-ratio", "warmup-steps", "warmup-fraction"),
    "--clip": ("max-grad-norm", "gradient-clip", "gradient-clip-val", "grad-clip", "clip-norm"),
    "--patience": ("early-stopping", "early-stopping-patience"),
    "--augment": ("augmentation", "augmentations", "specaugment"),
    "--precision": ("dtype", "fp16", "bf16", "half", "amp", "mixed-precision"),
    "--track": ("logger", "report-to", "tracker", "wandb", "tensorboard"),
    "--max-seconds": ("max-duration", "max-length", "duration", "clip-length", "max-len"),
    "--seed": ("random-seed", "random-state"),
    "--device": ("gpu", "cuda", "cpu", "accelerator"),
    "--compile": ("torch-compile",),
    "--out": ("output", "output-dir", "out-dir", "output-folder", "save-dir", "o"),
    "--backbone": ("model", "model-name", "model-name-or-path", "pretrained", "encoder"),
    "--recipe": ("method", "adapter", "peft", "config"),
    "--recipes": ("methods", "adapters"),
    "--data": ("dataset", "dataset-name", "data-dir", "train-data", "manifest", "corpus"),
    "--head": ("pooling", "classifier"),
    "--resume": ("resume-from-checkpoint", "continue", "checkpoint"),
    "--seeds": ("random-seeds",),
    "--side": ("split", "subset"),
    "--decoder": ("decoding", "beam"),
    "--classes": ("num-classes", "num-labels", "outputs"),
    "--settings": ("published", "preset"),
}
MEANT: Final = {f"--{name}": option for option, names in NAMES.items() for name in names}


class Hinting(TyperCommand):
    """A command whose error for another tool's option names the equivalent."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Refuse options of other tools; pass the rest to the parser."""
        own = {name for parameter in self.params for name in parameter.opts}
        for arg in args[: args.index("--")] if "--" in args else args:
            name = arg.partition("=")[0]
            meant = MEANT.get(name.lower().replace("_", "-"))
            if name not in own and meant in own:
                ctx.fail(f"No such option: {name}. Did you mean '{meant}'?")
        return super().parse_args(ctx, args)
