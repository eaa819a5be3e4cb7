"""`POST /v1/embeddings`: vectors of recordings, in the form of OpenAI's API."""

import asyncio
import base64
from collections.abc import Sequence
from typing import Annotated, Final, Literal

import numpy as np
from fastapi import APIRouter, Request
from numpy.typing import NDArray
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

from ossicle.serving.catalogue import Entry
from ossicle.serving.engine import Asked, Engine
from ossicle.serving.refusal import Refusal, invalid
from ossicle.serving.requests import (
    BINARY,
    JSON,
    MULTIPART,
    RAW,
    AdapterName,
    checked,
    checked_json,
    content_type,
    form_schema,
    from_base64,
    is_raw,
    read_form,
    values_by_name,
)

router = APIRouter()

MOST: Final = 64  # recordings of a request
AT_ONCE: Final = 8  # of them are worked on, so that other requests get their turns
TEXT: Final = {"type": "string", "description": "The content of a sound file, in base64."}
SEVERAL: Final = {"type": "array", "items": TEXT, "minItems": 1, "maxItems": MOST}
Recordings = Annotated[
    list[str],
    Field(min_length=1, max_length=MOST),
    BeforeValidator(lambda given: [given] if isinstance(given, str) else given),
    WithJsonSchema({"anyOf": [TEXT, SEVERAL]}),
]
Encoding = Literal["float", "base64"]


class Options(BaseModel):
    """How embeddings are given."""

    model_config = ConfigDict(extra="forbid")

    model: AdapterName = Field(None, description="An adapter. Default: the only one.")
    adapter: AdapterName = Field(None, description="Another name of `model`.")
    encoding_format: Encoding = Field(
        "float", description="Numbers, or float32 in little-endian order in base64."
    )
    dimensions: int | None = Field(None, ge=1, description="The width of the adapter's embeddings.")


class Body(Options):
    """A request in JSON."""

    input: Recordings | None = Field(None, description="One recording in base64, or several.")
    audio: str | None = Field(None, description="One recording: another name of `input`.")

    @property
    def recordings(self) -> list[bytes]:
        """The content of each file.

        Raises:
            Refusal: there is none, it is there under both names, or is not base64.
        """
        if (self.input is None) == (self.audio is None):
            raise invalid("send the recording in base64 as `input` or as `audio`, one of them")
        if self.audio is not None:
            return [from_base64(self.audio, "audio")]
        return [from_base64(one, "input") for one in self.input or ()]


class Embedding(BaseModel):
    """The embedding of a recording."""

    object: Literal["embedding"] = "embedding"
    index: int = Field(description="Number of the recording in the request.")
    embedding: list[float] | str


class Usage(BaseModel):
    """What OpenAI's API counts; recordings have no tokens."""

    prompt_tokens: int = 0
    total_tokens: int = 0


class Embeddings(BaseModel):
    """The embeddings of recordings."""

    object: Literal["list"] = "list"
    data: list[Embedding]
    model: str = Field(description="The adapter.")
    dimensions: int = Field(description="Width of the embeddings.")
    usage: Usage = Usage()


FORM: Final = form_schema(Options, ["file"])
ONE_OF: Final = {"oneOf": [{"required": ["input"]}, {"required": ["audio"]}]}
BODY: Final = {
    "required": True,
    "content": {
        JSON: {"schema": Body.model_json_schema() | ONE_OF},
        MULTIPART: {"schema": FORM},
        RAW: {"schema": BINARY},
        "audio/*": {"schema": BINARY},
    },
}


@router.post("/v1/embeddings", openapi_extra={"requestBody": BODY})
async def embeddings(request: Request) -> Embeddings:
    """Return the embedding of each recording: what the last layer of the adapter's head reads.

    Of a speaker verification, it is the speaker embedding; of a task with an output for each frame,
    the mean over the frames. Longer recordings: the mean over windows. Recordings come as in
    `/v1/predict`, or in base64 as `input`.
    """
    engine: Engine = request.app.state.engine
    with engine.admitted():
        recordings, options = await _read(request)
        entry = chosen(engine, options.model, options.adapter)
        vectors = await _vectors(engine, entry, recordings)
        width = len(vectors[0])
        if options.dimensions not in (None, width):
            raise invalid(
                f"the embeddings of adapter '{entry.name}' have {width} dimensions, and none are "
                "left out; leave `dimensions` out"
            )
        encode = _in_base64 if options.encoding_format == "base64" else _as_list
        data = [Embedding(index=n, embedding=encode(one)) for n, one in enumerate(vectors)]
        return Embeddings(data=data, model=entry.name, dimensions=width)


def chosen(engine: Engine, *names: str | None) -> Entry:
    """Return the adapter that one of several fields names; of none, the only one there is.

    Raises:
        Refusal: there is no such adapter, or there are several and none is named.
    """
    named = dict.fromkeys(name for name in names if name is not None)
    if len(named) > 1:
        raise invalid("`model` and `adapter` name two adapters; send one of them")
    (entry,) = engine.catalogue.chosen(tuple(named))
    return entry


async def _read(request: Request) -> tuple[list[bytes], Options]:
    """Return the recordings of a request, and its options.

    Raises:
        Refusal: it has no recording, or a value cannot be used.
    """
    kind = content_type(request)
    if kind == JSON:
        body = checked_json(Body, await request.body())
        return body.recordings, body
    if kind == MULTIPART:
        (file,), fields = await read_form(request, ["file"])
        return [file.content], checked(Options, values_by_name(fields, {}))
    if is_raw(kind):
        values = values_by_name(request.query_params.multi_items(), {})
        return [await request.body()], checked(Options, values)
    raise Refusal(
        415,
        f"the content type is '{kind:.100}'; send a recording as {MULTIPART} with the field "
        f"`file`, as a body of the type audio/wav or {RAW}, or as {JSON} with `input` in base64",
    )


async def _vectors(
    engine: Engine, entry: Entry, recordings: Sequence[bytes]
) -> list[NDArray[np.float32]]:
    """Return the embedding of each recording; after the first that fails, no further one begins."""
    turns = asyncio.Semaphore(AT_ONCE)
    work = [asyncio.ensure_future(_embedding(engine, entry, one, turns)) for one in recordings]
    try:
        return await asyncio.gather(*work)
    finally:
        for one in work:
            one.cancel()


async def _embedding(
    engine: Engine, entry: Entry, audio: bytes, turns: asyncio.Semaphore
) -> NDArray[np.float32]:
    async with turns:
        waves = await engine.decoded(audio, [entry])
        hearing = engine.hearing(waves, Asked(audio))
        return await engine.in_thread(lambda: hearing.embed(entry).float().numpy())


def _in_base64(vector: NDArray[np.float32]) -> str:
    return base64.b64encode(vector.astype("<f4").tobytes()).decode()


def _as_list(vector: NDArray[np.float32]) -> list[float]:
    return [float(one) for one in vector]
