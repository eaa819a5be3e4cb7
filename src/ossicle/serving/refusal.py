"""Requests that are refused, and the one form that all errors have over HTTP.

{"error": {"message": "What is wrong, and what to do.", "type": "too_long"}}
"""

import json
from typing import Any, Final

from ossicle.errors import (
    AdapterFileError,
    AttachError,
    AudioError,
    BackboneError,
    OssicleError,
    RecipeMismatch,
)

TYPE_BY_STATUS: Final = {
    400: "bad_request",
    401: "no_key",
    403: "forbidden",
    404: "not_found",
    405: "bad_method",
    408: "too_slow",
    409: "conflict",
    411: "no_length",
    413: "too_large",
    415: "bad_media_type",
    422: "invalid",
    429: "busy",
    503: "unavailable",
}


class Refusal(OssicleError):
    """A request is refused.

    Attributes:
        status: Status code of the response.
        type: One word for programs, such as `too_long`.
        retry_after_s: When the client may try again, in whole seconds; None: it need not.
    """

    def __init__(
        self, status: int, message: str, type: str = "", *, retry_after_s: int | None = None
    ) -> None:
        """Keep what the response needs.

        Args:
            status: Status code of the response, from 400.
            message: A sentence that says what is wrong and what to do.
            type: One word for programs. Default: that of the status.
            retry_after_s: When the client may try again, in whole seconds.
        """
        super().__init__(message)
        self.status = status
        self.type = type or TYPE_BY_STATUS.get(status, "error")
        self.retry_after_s = retry_after_s

    def __reduce__(self) -> tuple[Any, ...]:
        """Return what unpickles it, as processes that decode send their refusals."""
        return _unpickled, (self.status, str(self), self.type, self.retry_after_s)

    @property
    def headers(self) -> dict[str, str]:
        """Headers of the response that depend on the error."""
        return {} if self.retry_after_s is None else {"Retry-After": str(self.retry_after_s)}

    @property
    def content(self) -> dict[str, Any]:
        """Body of the response."""
        return {"error": {"message": str(self), "type": self.type}}

    @property
    def body(self) -> bytes:
        """Body of the response, in JSON."""
        return json.dumps(self.content).encode()


def _unpickled(status: int, message: str, type: str, retry_after_s: int | None) -> Refusal:
    return Refusal(status, message, type, retry_after_s=retry_after_s)


def bad_audio(message: str) -> Refusal:
    """Return the refusal of a recording that cannot be used."""
    return Refusal(422, message, "bad_audio")


def invalid(message: str) -> Refusal:
    """Return the refusal of values that cannot be used."""
    return Refusal(422, message)


def busy(message: str, retry_after_s: int = 1) -> Refusal:
    """Return the refusal of a request for which there is no room now."""
    return Refusal(429, message, retry_after_s=retry_after_s)


def unavailable(message: str, retry_after_s: int = 1) -> Refusal:
    """Return the refusal of a request that cannot be answered now."""
    return Refusal(503, message, retry_after_s=retry_after_s)


def refusal_of(error: OssicleError) -> Refusal:
    """Return an error of the library as the refusal of a request."""
    if isinstance(error, Refusal):
        return error
    if isinstance(error, AudioError):
        return bad_audio(str(error))
    if isinstance(error, AdapterFileError | AttachError | BackboneError | RecipeMismatch):
        return Refusal(422, str(error), "bad_adapter")
    return invalid(str(error))
