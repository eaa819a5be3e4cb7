"""The command line: `ossicle COMMAND`. Importing it imports neither torch nor transformers."""

import errno
import io
import logging
import sys
from typing import Annotated, Final, NoReturn

import typer

from ossicle import __version__
from ossicle.cli.cache import cache
from ossicle.cli.corpora import corpora
from ossicle.cli.derive import derive
from ossicle.cli.doctor import doctor
from ossicle.cli.ensemble import ensemble
from ossicle.cli.evaluate import evaluate
from ossicle.cli.export import export
from ossicle.cli.export_onnx import onnx
from ossicle.cli.export_peft import peft
from ossicle.cli.hints import Hinting
from ossicle.cli.import_peft import import_peft
from ossicle.cli.inspect import inspect
from ossicle.cli.merge import merge
from ossicle.cli.options import is_main
from ossicle.cli.params import params
from ossicle.cli.predict import predict
from ossicle.cli.prune import prune
from ossicle.cli.push import push
from ossicle.cli.recipes import recipes
from ossicle.cli.report import report
from ossicle.cli.run_options import RunCommand
from ossicle.cli.search import SearchCommand, search
from ossicle.cli.serve import serve
from ossicle.cli.settings import settings
from ossicle.cli.stop import Stopped, listening, stoppable
from ossicle.cli.study import add_studies
from ossicle.cli.tasks import tasks
from ossicle.cli.train import train
from ossicle.errors import OssicleError

UNWRITABLE: Final = (errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EROFS)

app = typer.Typer(
    help="Parameter-efficient fine-tuning of pretrained speech and audio transformers: adapters, "
    "LoRA, prompts and more.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for command, kind in (
    (train, RunCommand),
    (search, SearchCommand),
    (ensemble, Hinting),
    (evaluate, Hinting),
    (predict, Hinting),
    (prune, Hinting),
    (merge, Hinting),
    (push, Hinting),
    (serve, Hinting),
    (report, Hinting),
    (params, Hinting),
    (recipes, Hinting),
    (tasks, Hinting),
    (corpora, Hinting),
    (settings, Hinting),
    (derive, Hinting),
    (inspect, Hinting),
    (doctor, Hinting),
):
    app.command(cls=kind)(stoppable(command))
app.command("import", cls=Hinting)(stoppable(import_peft))
export.command(cls=Hinting)(stoppable(peft))
export.command(cls=Hinting)(stoppable(onnx))
app.add_typer(export, name="export")
add_studies(app)
app.add_typer(cache, name="cache")


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"ossicle {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Show the version and exit."
        ),
    ] = False,
) -> None:
    pass


class _Stderr(logging.Handler):
    """Prints each record on the current stderr, which a progress bar may have redirected."""

    def emit(self, record: logging.LogRecord) -> None:
        if is_main():
            level = "" if record.levelno <= logging.INFO else f"{record.levelname.capitalize()}: "
            print(f"{level}{record.getMessage()}", file=sys.stderr, flush=True)


def main() -> None:
    """Run the command line; exit with 2, and one clear message, on bad input."""
    for stream in (sys.stdout, sys.stderr):  # print names that the terminal cannot display escaped
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    logger = logging.getLogger("ossicle")
    if not any(isinstance(handler, _Stderr) for handler in logger.handlers):
        logger.addHandler(_Stderr())
    logger.setLevel(logging.INFO)
    try:
        with listening():
            app(prog_name="ossicle")  # also of `python -m ossicle`; completion goes by it
        sys.stdout.flush()
    except OssicleError as error:
        _fail(str(error))
    except Stopped as stop:
        if is_main():
            print(stop, file=sys.stderr)
        sys.exit(stop.status)
    except OSError as error:
        if error.errno not in UNWRITABLE:
            raise
        what = f"'{error.filename}'" if error.filename else "the output"
        _fail(f"{what} cannot be written: {error.strerror}")


def _fail(message: str) -> NoReturn:
    if is_main():  # the other processes of a launch fail with the same message
        print(f"Error: {message}", file=sys.stderr)
    sys.exit(2)
