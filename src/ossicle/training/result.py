"""The result of a run: what `train` returns and `metrics.json` holds.

A result read back from its file equals the one that was written. Numbers that are not finite are
null in both; `undefined` says where and why.
"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields
from functools import cache
from pathlib import Path
from types import UnionType
from typing import Any, Final, Self, get_args, get_origin, get_type_hints

from ossicle import strict_json
from ossicle.errors import RunError, listing
from ossicle.files import write_sealed
from ossicle.strict_json import UNDEFINED
from ossicle.training.folder import METRICS, read_json

RESULT_VERSION: Final = 1
OPTIONAL: Final = (UNDEFINED, "stage", "bare", "also")
ENDS: Final = ("epochs", "patience", "callback")


@dataclass(frozen=True, kw_only=True)
class RunResult:
    """Metrics of a run, and what they belong to.

    Attributes:
        recipe: Name of the preset, or the expression.
        expression: The recipe written out.
        data: The data string.
        split: One sentence on how the recordings were split.
        notices: What a reader must know before trusting the metrics.
        task: Name of the task.
        best_epoch: Number of the epoch that was kept, from 1.
        chosen_by: The metric that the best epoch was chosen by, or `loss`; `last` in a
            differentiable search, which keeps its last epoch.
        epochs: Number of epochs trained.
        valid: Metrics of the best epoch on the validation recordings.
        test: Metrics on the test recordings, with intervals and a row for each recording; None
            where the run has stopped before its test.
        parameters: Numbers of parameters by part, and the percentage that trained.
        adapter_bytes: Size of `adapter.safetensors`.
        train_seconds: Time until the last epoch was finished, interruptions not counted.
        first_step_seconds: Time of the first step, which compiles; None where none was taken.
        step_seconds: Median time of the other steps; None where there are none.
        test_seconds: Time of the test; None without one.
        peak_memory_mib: Peak memory of the GPU or else of the process; None where it is unknown.
        processes: Number of processes that trained together.
        cache: What was cached of the frozen part, or why nothing was.
        ended_by: What ended the training: `epochs` (all are done), `patience` (no better epoch) or
            `callback` (`OnEpoch` has asked for it).
        seed: Seed of the run.
        backbone: Name of the backbone.
        backbone_fingerprint: Short hash of its weights, as in `recipe.json`.
        split_fingerprint: For each side, a hash of the keys and contents of its recordings.
        stage: Of a run that started from another: what `ossicle.training.stage_tests` says of it.
        bare: Metrics of the pretrained model without adapters, `valid` and `test`; of a run of a
            task that writes text and that did not start from another.
        also: Of a run with `--also`: its `data`, and the metrics `before` and `after` training.
        undefined: Reasons for numbers that are null, by their path.
        version: `RESULT_VERSION` of the code that wrote the result.
    """

    recipe: str
    expression: str
    data: str
    split: str
    notices: list[str]
    task: str
    best_epoch: int
    chosen_by: str
    epochs: int
    valid: dict[str, Any]
    test: dict[str, Any] | None
    parameters: dict[str, float]
    adapter_bytes: int
    train_seconds: float
    first_step_seconds: float | None
    step_seconds: float | None
    test_seconds: float | None
    peak_memory_mib: float | None
    processes: int
    cache: dict[str, Any]
    ended_by: str
    seed: int
    backbone: str
    backbone_fingerprint: str
    split_fingerprint: dict[str, str]
    stage: dict[str, Any] | None = None
    bare: dict[str, Any] | None = None
    also: dict[str, Any] | None = None
    undefined: dict[str, str] = field(default_factory=dict)
    version: int = RESULT_VERSION

    @property
    def test_metrics(self) -> dict[str, Any]:
        """`test`, of a run that was tested.

        Raises:
            RunError: it was not.
        """
        if self.test is None:
            raise RunError(
                "the run has stopped before its test; resume it with train(..., resume=True)"
            )
        return self.test

    def _repr_html_(self) -> str:
        from ossicle.training.cards import result_card  # it needs tasks, and so torch

        return result_card(self)

    def to_dict(self) -> dict[str, Any]:
        """Return plain data; what is optional only where there is something in it."""
        data = asdict(self)
        return {key: value for key, value in data.items() if key not in OPTIONAL or value}

    @classmethod
    def of(cls, found: Mapping[str, Any]) -> Self:
        """Return the result of entries as they were computed, with null where one is not finite."""
        earlier = found.get(UNDEFINED, {})
        data = strict_json.loads(strict_json.dumps({**found, UNDEFINED: {}}))
        return cls.from_dict({**data, UNDEFINED: {**earlier, **data[UNDEFINED]}})

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Return the result that `to_dict` described.

        Raises:
            RunError: the version is another one, or an entry is missing, unknown or of another
                type.
        """
        version = data.get("version")
        if version != RESULT_VERSION:
            raise RunError(
                f"the result has version {version!r:.20}; this ossicle reads version "
                f"{RESULT_VERSION}. Read it with the ossicle that wrote it (see versions.json), or "
                "run again"
            )
        hints = _hints()
        needed = [one.name for one in fields(cls) if one.name not in OPTIONAL]
        if missing := [name for name in needed if name not in data]:
            raise RunError(f"the result lacks {listing(missing)}")
        if unknown := [name for name in data if name not in hints]:
            raise RunError(f"the result has unknown entries: {listing(unknown)}")
        for name, value in data.items():
            if not _check_of(hints[name])(value):
                wanted = str(hints[name]).removeprefix("<class '").removesuffix("'>")
                raise RunError(f"{name} is {value!r:.60}; expected {wanted}")
        if data["ended_by"] not in ENDS:
            raise RunError(f"ended_by is {data['ended_by']!r:.60}; expected {' or '.join(ENDS)}")
        return cls(**data)


@cache
def _hints() -> Mapping[str, Any]:
    """Return the type of each entry of a result."""
    return get_type_hints(RunResult)


@cache
def _check_of(hint: Any) -> Callable[[object], bool]:
    """Return a function that tells whether a value read from JSON has a type.

    Whole numbers fit float. A study reads ten thousand results, so types are looked at only once.
    """
    origin, inner = get_origin(hint), get_args(hint)
    if hint is Any:
        return lambda _: True
    if origin is UnionType:
        checks = [_check_of(one) for one in inner]
        return lambda value: any(check(value) for check in checks)
    if origin in (dict, list):
        every = _check_of(inner[-1])
        if inner[-1] is Any:
            return lambda value: isinstance(value, origin)
        return lambda value: (
            isinstance(value, origin)
            and all(map(every, value.values() if isinstance(value, dict) else value))
        )
    if hint is float:
        return lambda value: type(value) in (float, int)
    return lambda value: type(value) is hint


def fingerprint(contents: Mapping[str, str]) -> str:
    """Return a hash of recordings, whatever their order.

    Args:
        contents: Hash of the sound of each recording, by key.
    """
    hashed = hashlib.blake2b(digest_size=16)
    for key, content in sorted(contents.items()):
        hashed.update(f"{key}\0{content}\0".encode())
    return hashed.hexdigest()


def write_result(folder: Path, result: RunResult) -> None:
    """Write a result to the run folder, whole or not at all.

    Raises:
        RunError: it cannot be written.
    """
    write_sealed(folder / METRICS, result.to_dict())


def read_result(folder: Path) -> RunResult:
    """Return the result in a run folder.

    Raises:
        RunError: it is missing or damaged, or was written by another version.
    """
    file = folder / METRICS
    try:
        return RunResult.from_dict(read_json(file))
    except RunError as error:
        if str(file) in str(error):
            raise
        raise RunError(f"'{file}' cannot be used: {error}") from error
