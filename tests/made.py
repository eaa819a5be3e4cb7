"""Outcomes of trials made by hand, for tests of what is computed from them."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ossicle.training.config import TrainConfig
from ossicle.trials.outcome import Measured, Outcome, TestRows
from ossicle.trials.trial import Label, Trial


def outcome(
    recipe: str,
    value: float | None = None,
    *,
    metric: str = "macro_f1",
    labels: Mapping[str, Label] | None = None,
    true: Sequence[str] = (),
    predicted: Sequence[str] = (),
    folder: Path = Path("nowhere"),
    state: Any = "finished",
    **measured: Any,
) -> Outcome:
    """Return an outcome with a value of a metric; entries of its result can be given."""
    config = TrainConfig(backbone="tiny-hubert", recipe=recipe, data="demo")
    trial = Trial(config=config, labels={"data": "demo", "recipe": recipe, **(labels or {})})
    rows = TestRows(
        keys=tuple(f"{number}.wav" for number in range(len(true))),
        speakers=(None,) * len(true),
        labels=tuple(true),
    )
    result = Measured(
        **{
            "task": "classification",
            "metrics": {metric: value},
            "scores": None,
            "predicted": tuple(predicted),
            "rows": rows,
            "parameters": {"trainable": 100.0, "head": 10.0},
            "adapter_bytes": 400,
            "train_seconds": 1.0,
            "step_seconds": 0.1,
            "test_seconds": 0.5,
            "peak_memory_mib": 200.0,
            "best_epoch": 1,
            "epochs": 1,
            "split": "split",
            "split_fingerprint": {},
            "backbone_fingerprint": "0",
            **measured,
        }
    )
    done = state == "finished"
    return Outcome(
        trial=trial, name="0" * 16, folder=folder, state=state, measured=result if done else None
    )
