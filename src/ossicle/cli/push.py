"""`ossicle push`: a finished run or ensemble, with a model card, on the hub."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Final

import typer

from ossicle.cli import options as o
from ossicle.errors import HubError, RunError
from ossicle.paths import HUB, HubName

CARD: Final = "README.md"


def push(
    run: o.Run,
    to: Annotated[
        str, typer.Argument(metavar="USER/NAME", help="Repository, created if it does not exist.")
    ],
    private: Annotated[
        bool, typer.Option("--private", help="Only you and those you invite may see it.")
    ] = False,
    revision: Annotated[
        str | None,
        typer.Option(metavar="BRANCH", help="Branch, created from main if it does not exist."),
    ] = None,
    base: Annotated[
        str | None,
        typer.Option(
            help="Where others find the backbone, such as openai/whisper-base, if it is a folder "
            "here."
        ),
    ] = None,
    licence: Annotated[
        str | None,
        typer.Option(
            help="Licence that you give the adapter, by the hub's id, such as apache-2.0. Default: "
            "the card says that none is stated."
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the files and the card, and upload nothing.")
    ] = False,
    json: o.AsJson = False,
) -> None:
    """Upload a finished run or ensemble to the Hugging Face Hub, with a model card.

    Recordings, their names, paths of this machine, checkpoints and logs stay here. Repeated, the
    command uploads what is new; use the run as hf:USER/NAME.
    """
    name = _name(to, revision)
    from ossicle.training.located import locate_run

    folder = locate_run(run)
    check_pushable(folder)

    from ossicle.hub import upload
    from ossicle.reports.card import write_card
    from ossicle.training.shared import REPLACED, left_out, write_shared

    with TemporaryDirectory(prefix="ossicle-push-") as place:
        shared = Path(place)
        write_shared(folder, shared, base)
        card = write_card(folder, name.repo, base=base, licence=licence)
        (shared / CARD).write_text(card, encoding="utf-8")
        sizes = {
            file.relative_to(shared).as_posix(): file.stat().st_size
            for file in sorted(shared.rglob("*"))
            if file.is_file()
        }
        kept = left_out(folder)
        if dry_run:
            _print_plan(name, sizes, kept, card, json=json)
            return
        done = upload(shared, name, private=private, replaces=(*REPLACED, CARD))
    if json:
        o.print_json({"url": done.url, "commit": done.commit, "new": done.is_new, "files": sizes})
    elif done.is_new:
        print(f"{len(sizes)} files, {sum(sizes.values()) / 1000:,.0f} kB: {done.url}")
        print(f"use it as {name}")
    else:
        print(f"nothing new: {done.url} has all {len(sizes)} files")


def check_pushable(folder: Path) -> None:
    """Raise unless a folder holds a run that has finished, an adapter or an ensemble.

    Raises:
        AdapterFileError: it holds neither, or is damaged.
        RunError: the run has not finished.
    """
    from ossicle.adapters.folder import read_folder
    from ossicle.training.ensemble_folder import members_of
    from ossicle.training.folder import LOG, METRICS

    for member in members_of(folder):
        read_folder(member.folder)
        if (member.folder / LOG).is_file() and not (member.folder / METRICS).is_file():
            raise RunError(
                f"the run in '{member.folder}' is not finished: it has no {METRICS}. Finish it "
                f"with `ossicle train --out {member.folder} --resume`"
            )


def _name(to: str, revision: str | None) -> HubName:
    """Return the repository, and the branch."""
    found = HubName.parse(to if to.startswith(HUB) else HUB + to)
    assert found is not None
    if found.revision is not None:
        raise HubError(f"'{to}' names a revision; give the branch with --revision")
    return HubName(found.repo, revision)


def _print_plan(
    name: HubName, sizes: dict[str, int], kept: dict[str, str], card: str, *, json: bool
) -> None:
    """Print what would be uploaded, what would not, and the card."""
    if json:
        o.print_json({"to": str(name), "files": sizes, "not_uploaded": kept, "card": card})
        return
    print(f"{len(sizes)} files would be uploaded to {name}:")
    for file, size in sizes.items():
        print(f"  {file:<32}{size / 1000:>12,.1f} kB")
    if kept:
        print("not uploaded:")
    for file, why in kept.items():
        print(f"  {file:<32}{why}")
    print(f"\n{CARD}:\n\n{card}", end="")
