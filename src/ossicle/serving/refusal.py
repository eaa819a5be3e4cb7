"""Requests that are refused, and the one form that all errors have over HTTP.

{"error": {"message": "What is wrong, and what to do.", "type": "too_long"}}
"""

import json
from typing import Any, Final

from ossicle.errors import OssicleError

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
