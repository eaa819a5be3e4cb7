"""Import torch and transformers, and use them; run as `python -m ossicle.doctor.probe`.

Prints an object on a line of stdout for each step, with the facts found or an error. A step is left
out if one that it needs has failed. A fault in compiled code ends this process, after the lines of
the steps before it.
"""

import json
import os
from collections.abc import Callable
from importlib.metadata import version
from typing import Any, Final


def _audio(_: dict[str, Any]) -> dict[str, Any]:
    import soundfile

    from ossicle.data import open_data
    from ossicle.data.audio import load_wave

    wave = load_wave(open_data("demo").utterances[0].path, 16_000)
    about = f"libsndfile {soundfile.__libsndfile_version__} reads a demo recording"
    return {"text": about, "wave": wave}


def _torch(_: dict[str, Any]) -> dict[str, Any]:
    import torch

    return {"text": f"{torch.__version__}, {torch.get_num_threads()} threads"}


def _transformers(_: dict[str, Any]) -> dict[str, Any]:
    import ossicle.backbones  # noqa: F401 - imports transformers, and what its models import

    return {"text": version("transformers")}


def _device(_: dict[str, Any]) -> dict[str, Any]:
    from ossicle.compute.device import pick_device, reason_for_device

    device = pick_device("auto")
    return {"device": device, "text": f"{device}: {reason_for_device()}"}


def _backbone(known: dict[str, Any]) -> dict[str, Any]:
    import torch

    from ossicle.backbones import load_backbone

    model = load_backbone("tiny-hubert", device=known["device"])
    values, lengths = (part.to(known["device"]) for part in model.batch([known["wave"]]))
    with torch.no_grad():
        hidden = model.eval()(values, lengths).hidden
    if not hidden.isfinite().all():
        raise ArithmeticError(f"tiny-hubert computes NaN or infinity on {known['device']}")
    return {"text": f"tiny-hubert runs on {known['device']}", "model": model}


def _precision(known: dict[str, Any]) -> dict[str, Any]:
    from ossicle.compute.precision import check_precision, pick_precision, reason_for_precision
    from ossicle.errors import RunError

    dtype = pick_precision("auto", known["device"])
    name, why = str(dtype).removeprefix("torch."), reason_for_precision(known["device"])
    text = f"`--precision auto` is {name}: {why}; the default is float32"
    try:
        check_precision(known["model"], dtype)
    except RunError as error:
        return {"text": f"{text}; but {error}", "fix": "leave --precision out"}
    return {"text": text}


STEPS: Final[dict[str, tuple[Callable[[dict[str, Any]], dict[str, Any]], tuple[str, ...]]]] = {
    "audio": (_audio, ()),
    "torch": (_torch, ()),
    "transformers": (_transformers, ("torch",)),
    "device": (_device, ("torch",)),
    "backbone": (_backbone, ("audio", "transformers", "device")),
    "precision": (_precision, ("backbone",)),
}


def main() -> None:
    """Run the steps; what other libraries print goes to stderr."""
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as out:
        os.dup2(2, 1)
        known: dict[str, Any] = {}
        done: set[str] = set()
        for name, (step, needed) in STEPS.items():
            if not done.issuperset(needed):
                continue
            try:
                facts = step(known)
            except Exception as error:  # of any library, however it is broken
                facts = {"error": f"{type(error).__name__}: {error}"}
            else:
                known |= facts
                done.add(name)
            shown = {key: facts[key] for key in ("text", "fix", "error") if key in facts}
            print(json.dumps({"step": name, **shown}), file=out, flush=True)


if __name__ == "__main__":
    main()
