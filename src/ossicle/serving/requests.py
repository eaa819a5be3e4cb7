"""Requests about a recording: as an upload, as a raw body, or as base64 in JSON."""

import base64
import binascii
import sys
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Annotated, Any, Final, TypeVar

from fastapi import Request
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from python_multipart.exceptions import FormParserError
from starlette.datastructures import FormData
from starlette.formparsers import MultiPartException, MultiPartParser

from ossicle.serving.engine import Asked
from ossicle.serving.refusal import Refusal, invalid

MULTIPART: Final = "multipart/form-data"
JSON: Final = "application/json"
RAW: Final = "application/octet-stream"
BINARY: Final = {"type": "string", "format": "binary"}
T = TypeVar("T", bound=BaseModel)
ADAPTERS: Final = {"adapter": "adapters"}
MOST_FIELDS: Final = 1100
_FILES: Final = "each field with a file has one"
Names = Annotated[list[Annotated[str, Field(min_length=1, max_length=200)]], Field(max_length=1000)]


AdapterName = Annotated[str | None, Field(min_length=1, max_length=200)]


class Options(BaseModel):
    """What is asked about a recording."""

    model_config = ConfigDict(extra="forbid")

    adapters: Names = Field([], description="Names of adapters. Default: the only one.")
    prompt: str = Field(
        "",
        max_length=10_000,
        description="What was asked or said before, for a task that writes text.",
    )
    timestamps: bool = Field(False, description="Whether texts get segments with times.")
    abstain: float | None = Field(
        None,
        ge=0,
        le=1,
        allow_inf_nan=False,
        description="Give no label where the confidence is below this.",
    )
    vote: str | None = Field(
        None,
        max_length=100,
        description="Add the answer of all adapters together: soft (mean of probabilities), "
        "majority or rover.",
    )


class Body(Options):
    """A request in JSON."""

    audio: str = Field(description="The content of a sound file, in base64.")


async def read_asked(request: Request) -> Asked:
    """Return what a request asks.

    Raises:
        Refusal: it has no recording, or a value cannot be used.
    """
    kind = content_type(request)
    if kind == MULTIPART:
        return await _of_form(request)
    if kind == JSON:
        return _of_json(await request.body())
    if is_raw(kind):
        options = checked(Options, values_by_name(request.query_params.multi_items()))
        return _asked(await request.body(), None, options)
    raise Refusal(
        415,
        f"the content type is '{kind:.100}'; send a recording as {MULTIPART} with the field "
        f"`file`, as a body of the type audio/wav or {RAW}, or as {JSON} with `audio` in base64",
        "unsupported_media_type",
    )


async def _of_form(request: Request) -> Asked:
    (file,), fields = await read_form(request, ["file"])
    return _asked(file.content, file.name, checked(Options, values_by_name(fields)))


def _of_json(body: bytes) -> Asked:
    read = checked_json(Body, body)
    return _asked(from_base64(read.audio, "audio"), None, read)


@dataclass(frozen=True, slots=True)
class Upload:
    """A file of a form.

    Attributes:
        content: Its bytes.
        name: The name that the client gives it; None: it gives none.
    """

    content: bytes
    name: str | None


class _InMemory(MultiPartParser):
    """A parser of forms that writes no upload to a file; the guard bounds their size."""

    spool_max_size = sys.maxsize
    is_whole = False

    def on_end(self) -> None:
        """Note that the last boundary has come."""
        self.is_whole = True

    def close(self) -> None:
        """Forget the uploads of a form that is not used."""
        for file in self._files_to_close_on_error:
            file.close()


@asynccontextmanager
async def _parsed(request: Request, max_files: int) -> AsyncIterator[FormData]:
    """Give the form of a request.

    Raises:
        Refusal: it is not a form of that type, or has too many fields.
    """
    parser = _InMemory(
        request.headers, request.stream(), max_files=max_files, max_fields=MOST_FIELDS
    )
    try:
        form = await parser.parse()
    except (MultiPartException, FormParserError) as error:
        why = str(getattr(error, "message", error)).rstrip(".")
        raise Refusal(400, f"the form cannot be read: {why}") from error
    if not parser.is_whole:
        parser.close()
        raise Refusal(400, "the form ends before its last boundary; send the whole of it")
    try:
        yield form
    finally:
        await form.close()


async def read_form(
    request: Request, files: Sequence[str]
) -> tuple[list[Upload], list[tuple[str, str]]]:
    """Return the files of a form, and its other fields.

    Args:
        request: A request with a form.
        files: Names of the fields with files; all of them are needed.

    Raises:
        Refusal: a file is missing, is there twice, or another field has one.
    """
    async with _parsed(request, len(files)) as form:
        found: dict[str, Upload] = {}
        fields = []
        for name, value in form.multi_items():
            if isinstance(value, str) and name not in files:
                fields.append((name, value))
            elif isinstance(value, str):
                raise invalid(f"the field `{name}` is a text; send the content of a sound file")
            elif name not in files or name in found:
                raise invalid(f"the file `{name:.100}` is there twice, or not expected; {_FILES}")
            else:
                found[name] = Upload(await value.read(), value.filename or None)
    if missing := [name for name in files if name not in found]:
        raise invalid(
            f"the form has no file `{missing[0]}`; send the recording in the field `{missing[0]}`"
        )
    return [found[name] for name in files], fields


def checked_json(kind: type[T], body: bytes) -> T:
    """Return a body in JSON as a model that checks it.

    Raises:
        Refusal: it is not JSON, or a value cannot be used.
    """
    try:
        return kind.model_validate_json(body)
    except ValidationError as error:
        raise invalid(in_words(error)) from error


def from_base64(text: str, name: str) -> bytes:
    """Return the bytes of a field in base64.

    Raises:
        Refusal: it is not base64.
    """
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise Refusal(
            400, f"`{name}` is not base64; encode the bytes of a sound file", "bad_audio"
        ) from error


def content_type(request: Request) -> str:
    """Return the content type of a request, without parameters, in lower case."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def is_raw(kind: str) -> bool:
    """Return whether a body of a content type is the recording itself."""
    return kind == RAW or kind.startswith("audio/")


def _asked(audio: bytes, file: str | None, options: Options) -> Asked:
    return Asked(
        audio,
        file,
        tuple(options.adapters),
        options.prompt,
        options.timestamps,
        options.abstain,
        options.vote,
    )


def values_by_name(
    pairs: Iterable[tuple[str, str]], many: Mapping[str, str] = ADAPTERS
) -> dict[str, Any]:
    """Return fields by name.

    Args:
        pairs: Names and values, in their order.
        many: Fields that may come several times, and the names of the lists of their values.

    Raises:
        Refusal: another one comes twice.
    """
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in many:
            found.setdefault(many[name], []).append(value)
        elif name in many.values():
            known = next(one for one, plural in many.items() if plural == name)
            raise invalid(f"the field `{name}` is named `{known}` here; send it for each value")
        elif name in found:
            raise invalid(f"the field `{name:.100}` is there twice; send it once")
        else:
            found[name] = value
    return found


def checked(kind: type[T], values: Mapping[str, Any]) -> T:
    """Return values as a model that checks them.

    Raises:
        Refusal: one cannot be used.
    """
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        raise invalid(in_words(error)) from error


def in_words(error: ValidationError) -> str:
    """Return the first problem of values in words."""
    first = error.errors(include_url=False, include_input=False)[0]
    where = ".".join(map(str, first["loc"]))
    if first["type"] == "extra_forbidden":
        return f"there is no field `{where:.100}` here; leave it out"
    if first["type"] == "missing":
        return f"the field `{where:.100}` is missing"
    said = str(first["ctx"]["error"]) if first["type"] == "value_error" else first["msg"]
    return f"`{where:.100}`: {said}" if where else said


def form_schema(kind: type[BaseModel], files: Sequence[str]) -> dict[str, Any]:
    """Return the JSON schema of a form: files, and fields that a model checks."""
    schema = kind.model_json_schema()
    fields = {name: _present(one) for name, one in schema["properties"].items()}
    return {
        "type": "object",
        "properties": dict.fromkeys(files, BINARY) | fields,
        "required": [*files, *schema.get("required", ())],
        "additionalProperties": False,
    }


def _present(field: Mapping[str, Any]) -> dict[str, Any]:
    """Return the schema of a field that may be left out, where it is there: a form has no null."""
    kinds = [one for one in field.get("anyOf", ()) if one != {"type": "null"}]
    rest = {key: value for key, value in field.items() if key not in ("anyOf", "default")}
    return rest | (kinds[0] if len(kinds) == 1 else {"anyOf": kinds} if kinds else {})


def _predict_form() -> dict[str, Any]:
    """Return the JSON schema of the form of a prediction, where each adapter has a field."""
    schema = form_schema(Options, ["file"])
    schema["properties"]["adapter"] = schema["properties"].pop("adapters")
    return schema


PREDICT_BODY: Final = {
    "required": True,
    "content": {
        MULTIPART: {"schema": _predict_form()},
        JSON: {"schema": Body.model_json_schema()},
        RAW: {"schema": BINARY},
        "audio/*": {"schema": BINARY},
    },
}
