"""`POST /v1/audio/transcriptions`: transcripts for clients of OpenAI's API."""

from typing import Final, Literal

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field, field_validator

from ossicle.serving.engine import Asked, Engine
from ossicle.serving.refusal import Refusal
from ossicle.serving.requests import (
    MULTIPART,
    checked,
    content_type,
    form_schema,
    read_form,
    values_by_name,
)
from ossicle.serving.speech import (
    MEDIA_TYPES,
    Layout,
    Wish,
    as_json,
    as_text,
    check_wish,
    has_times,
)
from ossicle.votes import Decision

router = APIRouter()

GRANULARITIES: Final = "timestamp_granularities[]"


class Form(BaseModel):
    """A request for a transcript, without its file."""

    model_config = ConfigDict(extra="forbid")

    model: str = Field(min_length=1, max_length=200, description="The name of an adapter.")
    language: str | None = Field(
        None,
        max_length=40,
        description="The language that is spoken, as in ISO 639: that of the adapter.",
    )
    prompt: str = Field(
        "", max_length=10_000, description="What was said before, for a text decoder."
    )
    response_format: Layout = Field("json", description="srt and vtt are subtitles.")
    temperature: float = Field(
        0,
        description="0: adapters write the most likely text.",
        json_schema_extra={"minimum": 0, "maximum": 0},
    )
    granularities: list[Literal["segment", "word"]] = Field(
        [], alias=GRANULARITIES, max_length=2, description="With verbose_json alone: segment."
    )
    stream: bool = Field(
        False,
        description="false: transcripts are sent as a whole.",
        json_schema_extra={"const": False},
    )

    @field_validator("temperature")
    @classmethod
    def _is_zero(cls, temperature: float) -> float:
        if temperature != 0:
            raise ValueError(
                "adapters write the most likely text, which is that of temperature 0; leave it out"
            )
        return temperature

    @field_validator("stream")
    @classmethod
    def _is_off(cls, stream: bool) -> bool:
        if stream:
            raise ValueError("transcripts are sent as a whole; leave it out")
        return stream

    @property
    def wish(self) -> Wish:
        """What is wanted of the transcript."""
        return Wish(self.response_format, self.language, self.prompt, tuple(self.granularities))


class Segment(BaseModel):
    """A part of a transcript, as verbose_json has it."""

    id: int
    seek: int = Field(description="Start of its window, in hundredths of a second.")
    start: float = Field(description="In seconds.")
    end: float = Field(description="In seconds.")
    text: str
    tokens: list[int]
    temperature: float
    avg_logprob: float = Field(description="Mean over the tokens of its window.")
    compression_ratio: float = Field(description="Of the text of its window.")
    no_speech_prob: float = Field(description="Of its window.")


class Transcript(BaseModel):
    """A transcript: `text` alone, or with the rest in verbose_json."""

    text: str
    task: Literal["transcribe"] = "transcribe"
    language: str = Field("", description="As in ISO 639; und: the adapter does not know it.")
    duration: float = Field(0, description="Length of the recording, in seconds.")
    segments: list[Segment] = Field([], description="Of an adapter with a text decoder.")


BODY: Final = {"required": True, "content": {MULTIPART: {"schema": form_schema(Form, ["file"])}}}
TEXTS: Final = {kind: {"schema": {"type": "string"}} for kind in MEDIA_TYPES.values()}


@router.post(
    "/v1/audio/transcriptions",
    openapi_extra={"requestBody": BODY},
    responses={200: {"content": TEXTS}},
    response_model=Transcript,
    response_model_exclude_unset=True,
)
async def transcriptions(request: Request) -> Response:
    """Return the transcript of a recording, in the form of OpenAI's API.

    `model` names an adapter that writes transcripts. Segments with times, and subtitles, need one
    with a text decoder.
    """
    engine: Engine = request.app.state.engine
    with engine.admitted():
        if content_type(request) != MULTIPART:
            raise Refusal(415, f"send the recording as {MULTIPART}, in the field `file`")
        (file,), fields = await read_form(request, ["file"])
        names = {GRANULARITIES: GRANULARITIES, GRANULARITIES.removesuffix("[]"): GRANULARITIES}
        wish_and_model = checked(Form, values_by_name(fields, names))
        return await _transcript(engine, file.content, wish_and_model)


async def _transcript(engine: Engine, audio: bytes, form: Form) -> Response:
    entry, wish = engine.catalogue.find(form.model), form.wish
    task = engine.hosts.task(entry)
    check_wish(entry, task, wish)
    asked = Asked(
        audio, adapters=(entry.name,), prompt=wish.prompt, timestamps=has_times(task, wish)
    )
    waves = await engine.decoded(audio, [entry])
    hearing = engine.hearing(waves, asked)

    def write() -> Decision:
        hearing.hear([entry])
        return hearing.decide(entry)

    decision = await engine.in_thread(write)
    if wish.layout in MEDIA_TYPES:
        return Response(as_text(decision.decoded, wish), media_type=MEDIA_TYPES[wish.layout])
    rate, wave = next(iter(waves.items()))
    return JSONResponse(as_json(task, decision, wish, len(wave) / rate))
