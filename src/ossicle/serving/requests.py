"""Requests about a recording: as an upload, as a raw body, or as base64 in JSON."""

import base64
import binascii
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Final

from fastapi import Request
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.datastructures import UploadFile

from ossicle.serving.engine import Asked
from ossicle.serving.refusal import Refusal, invalid

MULTIPART: Final = "multipart/form-data"
JSON: Final = "application/json"
RAW: Final = "application/octet-stream"
Names = Annotated[list[Annotated[str, Field(min_length=1, max_length=200)]], Field(max_length=1000)]


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
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == MULTIPART:
        return await _of_form(request)
    if kind == JSON:
        return _of_json(await request.body())
    if kind == RAW or kind.startswith("audio/"):
        options = _options(Options, _by_name(request.query_params.multi_items()))
        return _asked(await request.body(), None, options)
    raise Refusal(
        415,
        f"the content type is '{kind:.100}'; send a recording as {MULTIPART} with the field "
        f"`file`, as a body of the type audio/wav or {RAW}, or as {JSON} with `audio` in base64",
        "unsupported_media_type",
    )


async def _of_form(request: Request) -> Asked:
    async with request.form(max_files=1, max_fields=1100) as form:
        file = form.get("file")
        if not isinstance(file, UploadFile):
            raise invalid("the form has no file; send the recording in the field `file`")
        fields = [(key, value) for key, value in form.multi_items() if key != "file"]
        texts = [(key, value) for key, value in fields if isinstance(value, str)]
        options = _options(Options, _by_name(texts))
        return _asked(await file.read(), file.filename or None, options)


def _of_json(body: bytes) -> Asked:
    try:
        read = Body.model_validate_json(body)
    except ValidationError as error:
        raise invalid(_in_words(error)) from error
    try:
        audio = base64.b64decode(read.audio, validate=True)
    except (binascii.Error, ValueError) as error:
        raise Refusal(
            400, "`audio` is not base64; encode the bytes of a sound file", "bad_audio"
        ) from error
    return _asked(audio, None, read)


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


def _by_name(pairs: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """Return fields by name; `adapter` may come several times, all others once.

    Raises:
        Refusal: another one comes twice.
    """
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name == "adapter":
            found.setdefault("adapters", []).append(value)
        elif name in found or name == "adapters":
            known = "is named `adapter` here" if name == "adapters" else "is there twice"
            raise invalid(f"the field `{name:.100}` {known}; send it once")
        else:
            found[name] = value
    return found


def _options(kind: type[Options], values: Mapping[str, Any]) -> Options:
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        raise invalid(_in_words(error)) from error


def _in_words(error: ValidationError) -> str:
    """Return the first problem of values in words."""
    first = error.errors(include_url=False, include_input=False)[0]
    where = ".".join(map(str, first["loc"]))
    return f"`{where:.100}`: {first['msg']}" if where else first["msg"]


PREDICT_BODY: Final = {
    "required": True,
    "content": {
        MULTIPART: {
            "schema": {
                "type": "object",
                "required": ["file"],
                "additionalProperties": False,
                "properties": {
                    "file": {"type": "string", "format": "binary"},
                    "adapter": {"type": "array", "items": {"type": "string"}},
                    "prompt": {"type": "string"},
                    "timestamps": {"type": "boolean"},
                    "abstain": {"type": "number", "minimum": 0, "maximum": 1},
                    "vote": {"type": "string"},
                },
            }
        },
        JSON: {"schema": Body.model_json_schema()},
        RAW: {"schema": {"type": "string", "format": "binary"}},
        "audio/*": {"schema": {"type": "string", "format": "binary"}},
    },
}
