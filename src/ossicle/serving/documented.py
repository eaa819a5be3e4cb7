"""What `/openapi.json` says of refused requests, and of answers that tasks define."""

from typing import Any, Final

from pydantic import BaseModel, Field

MEANING: Final = {
    400: "The recording cannot be used, or the body is damaged.",
    401: "The key is missing or wrong.",
    403: "It is not allowed.",
    404: "There is no such adapter.",
    408: "The request was sent too slowly.",
    409: "The name is taken, there are as many as allowed, or files have changed.",
    413: "The body or the recording is too large.",
    415: "The content type is not known.",
    422: "A value cannot be used.",
    429: "The server is busy; try again after `Retry-After` seconds.",
    503: "The server starts or stops; try again after `Retry-After` seconds.",
}
OF_REQUESTS: Final = (400, 401, 403, 404, 408, 409, 413, 415, 422, 429, 503)
OF_PAGES: Final = (401, 403, 503)


class Error(BaseModel):
    """Why a request is refused."""

    message: str = Field(description="What is wrong, and what to do.")
    type: str = Field(description="One word for programs, such as too_long.")


class Refused(BaseModel):
    """A refused request."""

    error: Error


class Answers(BaseModel):
    """Answers about a recording."""

    answers: list[dict[str, Any]] = Field(
        description="For each adapter, `adapter`, `file` and what `ossicle predict --json` gives."
    )
    duration_s: float = Field(description="Length of the recording, in seconds.")
    ms: dict[str, float] = Field(description="Milliseconds by stage: decode, queue, model, total.")


class Adapter(BaseModel):
    """An adapter that is served."""

    name: str
    task: str
    labels: list[str] | None = Field(description="What outputs stand for; null: nothing named.")
    recipe: str
    backbone: str
    parameters: int = Field(description="Number of values in its tensors.")
    members: list[str] | None = Field(description="Of an ensemble; null: it is none.")
    resident: bool = Field(description="Whether it is in memory.")


class Adapters(BaseModel):
    """All adapters that are served."""

    adapters: list[Adapter]


def refused(statuses: tuple[int, ...]) -> dict[int | str, dict[str, Any]]:
    """Return the description of refusals with some status codes."""
    return {status: {"model": Refused, "description": MEANING[status]} for status in statuses}
