"""Why a request cannot be answered: the status, and a sentence."""

from typing import Any

from ossicle.errors import (
    AdapterFileError,
    AttachError,
    AudioError,
    BackboneError,
    OssicleError,
    RecipeMismatch,
    ServeError,
)


class Problem(ServeError):
    """A request that cannot be answered.

    Attributes:
        message: What is wrong, and what to do.
        status: The status of HTTP.
        kind: What kind of problem it is, in a word for programs.
        retry_after_s: When to try again; None: it would not help.
    """

    def __init__(
        self, message: str, status: int, kind: str, retry_after_s: int | None = None
    ) -> None:
        super().__init__(message, status, kind, retry_after_s)
        self.message, self.status, self.kind = message, status, kind
        self.retry_after_s = retry_after_s

    def __str__(self) -> str:
        return self.message

    @property
    def headers(self) -> dict[str, str]:
        """The headers of the response."""
        return {} if self.retry_after_s is None else {"Retry-After": str(self.retry_after_s)}

    def body(self) -> dict[str, Any]:
        """Return the body of the response."""
        return {"error": {"message": self.message, "type": self.kind}}


def bad_audio(message: str) -> Problem:
    """Return the problem of a recording that cannot be used."""
    return Problem(message, 400, "bad_audio")


def bad_request(message: str) -> Problem:
    """Return the problem of a request whose values cannot be used."""
    return Problem(message, 422, "bad_request")


def busy(message: str, retry_after_s: int = 1) -> Problem:
    """Return the problem of a request for which there is no room now."""
    return Problem(message, 429, "busy", retry_after_s)


def unavailable(message: str, retry_after_s: int = 1) -> Problem:
    """Return the problem of a request that cannot be answered now."""
    return Problem(message, 503, "unavailable", retry_after_s)


def problem_of(error: OssicleError) -> Problem:
    """Return an error of the library as the problem of a request."""
    if isinstance(error, Problem):
        return error
    if isinstance(error, AudioError):
        return bad_audio(str(error))
    if isinstance(error, AdapterFileError | AttachError | BackboneError | RecipeMismatch):
        return Problem(str(error), 422, "bad_adapter")
    return bad_request(str(error))
