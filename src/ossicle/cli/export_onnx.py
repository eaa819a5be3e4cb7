"""`ossicle export onnx`: a trained run as an ONNX file, for programs without torch."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ossicle.cli import options as o
from ossicle.cli.early import check_trained
from ossicle.paths import expand

if TYPE_CHECKING:
    from ossicle.convert.onnx import Written


def onnx(
    run: Annotated[Path, typer.Argument(help="Run or adapter folder, or hf:USER/NAME[@REVISION].")],
    out: Annotated[Path, typer.Option(help="File to write; its name ends with .onnx.")],
    int8: Annotated[
        bool,
        typer.Option(
            "--int8",
            help="Store the weights of linear layers in 8 bits, and print the loss that this "
            "causes: of outputs, and of the metric if the test recordings are there.",
        ),
    ] = False,
    backbone: o.MovedBackbone = None,
    json: o.AsJson = False,
) -> None:
    """Write a run as an ONNX file: waveform in, logits out, of any batch size and length.

    The file is checked against torch before it appears, and describes itself in its metadata.
    """
    run = check_trained(run, backbone)
    from ossicle.cli.progress import progress_bars
    from ossicle.convert.onnx import export_onnx

    with progress_bars() as bars:
        written = export_onnx(run, expand(out), backbone=backbone, int8=int8, progress=bars)
    if json:
        o.print_json(_as_json(written))
    else:
        _print(written)


def _as_json(written: "Written") -> dict[str, Any]:
    tested = written.tested
    return {
        "out": str(written.file),
        "outputs": list(written.outputs),
        "sample_rate": written.sample_rate,
        "bytes": dict(written.bytes),
        "difference": dict(written.difference),
        "largest_output": written.largest,
        "waves": written.waves,
        "seconds": dict(written.times.seconds),
        "wave_seconds": written.times.wave_s,
        "threads": written.times.threads,
        "metric": None if tested is None else {"name": tested.label, **tested.values},
        "metric_recordings": None if tested is None else tested.count,
        "metric_missing": None if tested is None else tested.why_not or None,
    }


def _print(written: "Written") -> None:
    last = list(written.difference)[-1]
    torch_s, own_s = written.times.seconds["torch"], written.times.seconds[last]
    print(f"{written.file}: {_mb(written, last)}; the weights in torch: {_mb(written, 'torch')}")
    print(
        f"  inputs   waveform (batch, samples) at {written.sample_rate} Hz, lengths (batch)\n"
        f"  outputs  {', '.join(written.outputs)}; the metadata of the file describes them"
    )
    print(
        f"  check    {written.waves} waves: largest difference from torch "
        f"{written.difference['onnx']:.1e}, of outputs up to {written.largest:.3g}"
    )
    if written.tested is not None:
        _print_loss(written, last)
    threads = f"{written.times.threads} thread{'s' if written.times.threads > 1 else ''}"
    print(
        f"  time     {1000 * own_s:.0f} ms for {written.times.wave_s:g} s, torch "
        f"{1000 * torch_s:.0f} ms: ratio {own_s / torch_s:.2f} ({threads}, this machine)"
    )


def _print_loss(written: "Written", kind: str) -> None:
    """Print what the 8 bits change."""
    tested = written.tested
    assert tested is not None, "int8 is measured"
    print(f"  int8     largest difference from torch {written.difference[kind]:.1e}")
    if tested.why_not:
        print(f"           {tested.label} not measured: {tested.why_not}")
    else:
        print(
            f"           {tested.label} on {tested.count} test recordings "
            f"{tested.texts[kind]}, with float32 {tested.texts['onnx']}"
        )


def _mb(written: "Written", kind: str) -> str:
    return f"{written.bytes[kind] / 1e6:.1f} MB"
