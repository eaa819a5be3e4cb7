"""`ossicle predict`: the prediction of the task for each file."""

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from ossicle.cli import options as o
from ossicle.cli.early import check_trained
from ossicle.cli.files import FORMATS, check_output, list_recordings, write_predictions
from ossicle.cli.segments import TEXT, check_format, lines_of, notices
from ossicle.files import replace_file
from ossicle.paths import expand
from ossicle.settings import PROBABILITY, check_value
from ossicle.subtitles import SUBTITLES, subtitles

SOME_FAILED = 1
ABSTAINED = "-"


def predict(
    run: o.Run,
    files: Annotated[
        list[Path],
        typer.Argument(help="Recordings, folders of recordings, or .csv, .tsv or .jsonl tables."),
    ],
    out: Annotated[
        Path | None,
        typer.Option(help="Write predictions to this .csv or .jsonl file instead of stdout."),
    ] = None,
    backbone: o.MovedBackbone = None,
    decoder: o.Decoder = None,
    device: o.Device = "auto",
    abstain: Annotated[
        float | None,
        typer.Option(
            metavar="<float>",
            help="Give no label where the confidence is below this, from 0 to 1. Default: always "
            "give one.",
        ),
    ] = None,
    prompt: Annotated[
        str,
        typer.Option(
            help="What was asked or said before, for a task that writes text. Default: the column "
            "prompt of a table, or nothing."
        ),
    ] = "",
    timestamps: Annotated[
        bool,
        typer.Option(
            "--timestamps",
            help="Of a task that writes text, print a line for each segment: file, start and end "
            "in seconds, text.",
        ),
    ] = False,
    layout: Annotated[
        str,
        typer.Option(
            "--format",
            metavar="[text|srt|vtt]",
            help="Format of the output; srt and vtt are the subtitles of one recording.",
        ),
    ] = TEXT,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object per line.")] = False,
) -> None:
    """Print the predicted label and probabilities of each recording, one line per file.

    For speaker verification, print the cosine similarity of each file to the first one.

    For a folder, all recordings below it are processed, sorted by path; for a .csv, .tsv or .jsonl
    table, its rows, which may be segments of recordings.

    With --abstain, print the confidence before the probabilities, and - in place of a label where
    it is too low (null in JSON, empty in a .csv file).

    A task that writes text reads long recordings in windows. Recordings without speech give an
    empty text; that, and a text that repeats itself, are noted on stderr and in JSON.

    Files that cannot be read are reported on stderr and skipped; the exit status is then 1.
    """
    if abstain is not None:
        check_value("abstain", abstain, (float,), PROBABILITY)
    run = check_trained(run, backbone)
    if out is not None:
        out = expand(out)
        check_output(out, (f".{layout}",) if layout in SUBTITLES else FORMATS)
    recordings = list_recordings(files)
    check_format(layout, len(recordings), json=json)

    from ossicle.training.trained import Trained

    trained = Trained.open(
        run,
        backbone=backbone,
        device=device,
        decoder=decoder,
        times=timestamps or layout in SUBTITLES,
    )
    failed, rows = 0, []
    for found in trained.predict(recordings, abstain=abstain, prompt=prompt):
        failed += "error" in found
        if out is not None:
            rows.append(found)
        if o.is_main():
            for notice in notices(_name(found), found):
                print(f"Notice: {notice}", file=sys.stderr, flush=True)
            if out is None and "error" not in found:
                _print(found, layout, json=json, timestamps=timestamps)
            elif "error" in found:
                _print_error(found, json=json and out is None)
    if out is not None and o.is_main():
        _write(out, rows, layout)
    if failed and o.is_main():
        print(f"{failed} of {len(recordings)} files could not be read.", file=sys.stderr)
    if failed:
        raise typer.Exit(SOME_FAILED)


def _print(found: dict[str, Any], layout: str, *, json: bool, timestamps: bool) -> None:
    """Print a prediction in the format that was asked for."""
    if layout in SUBTITLES:
        print(subtitles(found["segments"], layout), end="", flush=True)
    elif json:
        o.print_json(found)
    elif "score" in found:
        print(f"{_name(found)}\t{found['score']:.3f}", flush=True)
    elif timestamps:
        for line in lines_of(_name(found), found):
            print(line, flush=True)
    elif "label" in found:
        print("\t".join(_cells(found)).rstrip(), flush=True)


def _print_error(found: dict[str, Any], *, json: bool) -> None:
    """Print why a file cannot be read; in JSON it is one of the answers too."""
    if json:
        o.print_json(found)
    print(f"Error: {found['error']}", file=sys.stderr, flush=True)


def _write(out: Path, rows: list[dict[str, Any]], layout: str) -> None:
    """Write all predictions to a file; no subtitles of a recording that cannot be read."""
    if layout not in SUBTITLES:
        write_predictions(out, rows)
    elif "error" not in rows[0]:
        replace_file(out, subtitles(rows[0]["segments"], layout).encode())


def _cells(found: dict[str, Any]) -> list[str]:
    """Return file, label, confidence if there is one, and probabilities, as text."""
    probs = sorted(found.get("probs", {}).items(), key=lambda pair: -pair[1])
    shown = "  ".join(f"{label} {prob:.3f}" for label, prob in probs)
    sure = [f"{found['confidence']:.3f}"] if "confidence" in found else []
    return [_name(found), ABSTAINED if found["label"] is None else found["label"], *sure, shown]


def _name(found: dict[str, Any]) -> str:
    """Return the file of a prediction, with the segment in seconds if it is one."""
    if "start_s" not in found:
        return str(found["file"])
    start, duration = found["start_s"], found["duration_s"]
    return f"{found['file']}#{start:g}-{'end' if duration is None else f'{start + duration:g}'}"
