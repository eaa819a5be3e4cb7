"""Failures of the hub in words: what is so, and what to do."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from ossicle.errors import HubError

LOG_IN: Final = "log in with `hf auth login`, or set HF_TOKEN"


class Unreachable(HubError):
    """The hub does not answer."""


@contextmanager
def failures(what: str, *, writing: bool = False) -> Iterator[None]:
    """Turn errors of the hub's client into one line.

    A token is never part of it: of what the client says, only the server's own message is shown.

    Args:
        what: What is read or written, such as `hf:me/my-run`.
        writing: Whether something is written.

    Raises:
        HubError: the client has failed.
    """
    try:
        yield
    except HubError:
        raise
    except Exception as error:
        found = in_words(what, error, writing=writing)
        if found is None:
            raise
        raise found from error


def in_words(what: str, error: BaseException, *, writing: bool = False) -> HubError | None:
    """Return the error in words; None for one that is not of the hub."""
    from huggingface_hub import errors

    match error:
        case errors.GatedRepoError():
            said = f"'{what}' is gated: ask for access on its page on the hub, and {LOG_IN}"
        case errors.RepositoryNotFoundError():
            said = (
                f"'{what}' is not on the hub, or it is private. Check the name; if it is private, "
                f"{LOG_IN}"
            )
        case errors.RevisionNotFoundError():
            said = (
                f"'{what}': the repository has no such branch, tag or commit. Leave @REVISION out "
                "for the main branch"
            )
        case errors.LocalTokenNotFoundError():
            said = f"'{what}' needs a token of the hub: {LOG_IN}"
        case errors.RemoteEntryNotFoundError():
            said = f"'{what}' has no such file"
        case errors.HfHubHTTPError():
            return _refused(what, error, writing=writing)
        case errors.HFValidationError():
            said = f"'{what}' is not a name that the hub allows: {_line(error)}"
        case (
            errors.HTTPError()  # type: ignore[attr-defined]  # of httpx, which has two names
            | errors.LocalEntryNotFoundError()
            | ConnectionError()
            | TimeoutError()
        ):
            return Unreachable(_unreachable(what, error, writing=writing))
        case RuntimeError() if error.__cause__ is not None:  # the client names the file by it
            return in_words(what, error.__cause__, writing=writing)
        case _:
            return None
    return HubError(said)


def _refused(what: str, error: BaseException, *, writing: bool) -> HubError:
    """Return the error for an answer that is no success."""
    status = getattr(getattr(error, "response", None), "status_code", 0)
    said = getattr(error, "server_message", None)
    said = f" (it says: {' '.join(str(said).split())[:200]})" if said else ""
    if status == 401:
        return HubError(f"'{what}': the hub does not accept the token{said}; {LOG_IN} again")
    if status == 403:
        needs = "that may write to it" if writing else "that may read it"
        return HubError(f"'{what}': the hub refuses{said}; use a token {needs}")
    if status >= 500 or status == 429:
        return Unreachable(
            f"'{what}': the hub answers with an error of its own ({status}){said}; try again later"
        )
    return HubError(f"'{what}': the hub refuses with status {status}{said}")


def _unreachable(what: str, error: BaseException, *, writing: bool) -> str:
    from huggingface_hub import constants
    from huggingface_hub.errors import OfflineModeIsEnabled

    if isinstance(error, OfflineModeIsEnabled) or constants.HF_HUB_OFFLINE:
        return f"'{what}': HF_HUB_OFFLINE is set, so the hub is not asked; unset it"
    then = "; repeat the command, which goes on where it stopped" if writing else ""
    return (
        f"'{what}': the connection to {constants.ENDPOINT} failed ({type(error).__name__}). Check "
        f"the network{then}"
    )


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())[:200]
