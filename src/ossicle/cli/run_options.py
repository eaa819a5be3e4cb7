"""The options of a run, made from the fields of `TrainConfig`: one for each, in one place."""

from collections.abc import Callable, Mapping
from dataclasses import MISSING, Field, dataclass, fields, make_dataclass
from typing import Annotated, Any, ClassVar, Final, get_args, get_type_hints

import typer
from typer.main import get_command

from ossicle.cli.hints import Hinting
from ossicle.errors import RunError
from ossicle.settings import Help, Kinds, Limits, read_value
from ossicle.training.config import TrainConfig, rules_of

SETTINGS: Final = "settings"
_NAMED: Final = typer.Option(
    help="Published training settings by name, e.g. ast/esc50 (see `ossicle settings`). Options on "
    "the command line override them."
)


@dataclass(frozen=True, slots=True)
class RunOptions:
    """The settings of a run from the command line.

    Attributes:
        values: Values of the fields of `TrainConfig`, including defaults.
        written: Names of the fields that are set by an option or by `--settings`.
    """

    values: Mapping[str, Any]
    written: frozenset[str]


class RunCommand(Hinting):
    """A command with an option for each field of `TrainConfig`, and `--settings`.

    The command gets their values, a `RunOptions`, as `obj` of its context.
    """

    own: ClassVar[frozenset[str]] = frozenset()  # fields that the command fills in itself

    def __init__(self, *given: Any, params: list[Any], **others: Any) -> None:
        super().__init__(*given, params=[*params, *_options(self.own)], **others)

    def invoke(self, ctx: Any) -> Any:
        """Store the options of a run in the context and run the command."""
        published = _published(ctx.params.pop(SETTINGS))
        names = {field.name for field in fields(TrainConfig)} - self.own
        written = {name for name in names if _is_written(ctx, name)}
        values = {name: ctx.params.pop(name) for name in names}
        values |= {name: value for name, value in published.items() if name not in written}
        ctx.obj = RunOptions(values, frozenset(written | set(published)))
        return super().invoke(ctx)


def field_help(name: str) -> str:
    """Return the help text of a field of `TrainConfig`."""
    return _help_of(get_type_hints(TrainConfig, include_extras=True)[name]).text


def _options(own: frozenset[str]) -> list[Any]:
    """Return the options of a run, which typer derives from the constructor of a dataclass."""
    named = (SETTINGS, Annotated[str | None, _NAMED], None)
    return options_from(TrainConfig, named, without=own)


def options_from(
    settings: type[Any], *more: tuple[str, Any, Any], without: frozenset[str] = frozenset()
) -> list[Any]:
    """Return an option for each field of a dataclass of settings whose annotation has a `Help`.

    Args:
        settings: The dataclass.
        more: Name, annotation and default of options before them.
        without: Fields that have no option.
    """
    hints, rules = get_type_hints(settings, include_extras=True), rules_of(settings)
    options = [
        _option(one, hints[one.name], *rules[one.name])
        for one in fields(settings)
        if one.name not in without
    ]
    app = typer.Typer(add_completion=False)
    app.command()(make_dataclass("Options", [*more, *options], kw_only=True))
    return get_command(app).params


def _option(field: Field[Any], hint: Any, kinds: Kinds, limits: Limits) -> tuple[str, Any, Any]:
    """Return name, annotation and default of an option; a required one is empty by default."""
    about = _help_of(hint)
    names = [f"--{field.name.replace('_', '-')}"] if field.default is False else []
    names = [about.flag] if about.flag else names
    parser = _reader(field.name, kinds, limits) if {int, float} & set(kinds) else None
    metavar = None if parser is None else "<float>" if float in kinds else "<int>"
    option = typer.Option(
        *names, help=about.text, rich_help_panel=about.panel, parser=parser, metavar=metavar
    )
    default = "" if field.default is MISSING else field.default
    return field.name, Annotated[get_args(hint)[0], option], default


def _reader(name: str, kinds: Kinds, limits: Limits) -> Callable[[Any], Any]:
    """Return the function that reads the number of an option as numbers in settings are read."""

    def read(text: Any) -> Any:  # typer passes the default too, which is not a text
        return read_value(name, text, kinds, limits) if isinstance(text, str) else text

    return read


def _help_of(hint: Any) -> Help:
    return next(one for one in get_args(hint) if isinstance(one, Help))


def _is_written(ctx: Any, name: str) -> bool:
    source = ctx.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"


def _published(name: str | None) -> Mapping[str, Any]:
    if name is None:
        return {}
    from ossicle.training.published import published

    return published(name)


def check_given(values: Mapping[str, Any], *names: str) -> None:
    """Raise unless all of these options are given."""
    if missing := [f"--{name}" for name in names if not values[name]]:
        raise RunError(f"{', '.join(missing)} missing: required for a new run; see --help")
