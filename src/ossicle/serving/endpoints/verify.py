"""`POST /v1/verify`: whether two recordings are of one speaker."""

import asyncio
from typing import Any, Final

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field

from ossicle.serving.catalogue import Entry
from ossicle.serving.endpoints.embeddings import chosen
from ossicle.serving.engine import Asked, Engine
from ossicle.serving.refusal import Refusal, invalid
from ossicle.serving.requests import (
    JSON,
    MULTIPART,
    AdapterName,
    checked,
    checked_json,
    content_type,
    form_schema,
    from_base64,
    read_form,
    values_by_name,
)
from ossicle.tasks import Verification

router = APIRouter()


class Options(BaseModel):
    """Which adapter compares two recordings."""

    model_config = ConfigDict(extra="forbid")

    adapter: AdapterName = Field(None, description="An adapter. Default: the only one.")
    model: AdapterName = Field(None, description="Another name of `adapter`.")


class Body(Options):
    """A request in JSON."""

    first: str = Field(description="The content of a sound file, in base64.")
    second: str = Field(description="The content of another, in base64.")


class Verified(BaseModel):
    """How alike two recordings are."""

    adapter: str
    score: float = Field(description="Cosine of the embeddings, from -1 to 1.")
    same: bool | None = Field(
        description="Whether the score is not below the threshold; null without one."
    )
    threshold: float | None = Field(
        description="Score at which the run makes both errors equally often on its validation "
        "pairs; null: it does not know one."
    )


BODY: Final = {
    "required": True,
    "content": {
        JSON: {"schema": Body.model_json_schema()},
        MULTIPART: {"schema": form_schema(Options, ["first", "second"])},
    },
}


@router.post("/v1/verify", openapi_extra={"requestBody": BODY})
async def verify(request: Request) -> Verified:
    """Return how alike the speakers of two recordings are, by an adapter for verification."""
    engine: Engine = request.app.state.engine
    with engine.admitted():
        recordings, options = await _read(request)
        entry = chosen(engine, options.model, options.adapter)
        if not isinstance(entry.task, Verification):
            raise invalid(
                f"adapter '{entry.name}' does not compare speakers: its task is {entry.task.name}, "
                f"{entry.task.about}; name one of the task {Verification.name}"
            )
        both = [_answer(engine, entry, one) for one in recordings]
        first, second = await asyncio.gather(*both)  # in one batch
        score = float(entry.task.compare_with_first(first, second)["score"])
        threshold = entry.threshold
        same = None if threshold is None else score >= threshold
        return Verified(adapter=entry.name, score=score, same=same, threshold=threshold)


async def _read(request: Request) -> tuple[list[bytes], Options]:
    """Return both recordings of a request, and its options.

    Raises:
        Refusal: a recording is missing, or a value cannot be used.
    """
    kind = content_type(request)
    if kind == JSON:
        body = checked_json(Body, await request.body())
        return [from_base64(body.first, "first"), from_base64(body.second, "second")], body
    if kind == MULTIPART:
        files, fields = await read_form(request, ["first", "second"])
        return [one.content for one in files], checked(Options, values_by_name(fields, {}))
    raise Refusal(
        415,
        f"the content type is '{kind:.100}'; send two recordings as {MULTIPART} with the fields "
        f"`first` and `second`, or as {JSON} with both in base64",
    )


async def _answer(engine: Engine, entry: Entry, audio: bytes) -> dict[str, Any]:
    """Return the answer about a recording, with its embedding."""
    hearing = engine.hearing(await engine.decoded(audio, [entry]), Asked(audio))

    def hear() -> dict[str, Any]:
        hearing.hear([entry])
        return hearing.decide(entry).decoded

    return await engine.in_thread(hear)
