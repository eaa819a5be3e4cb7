"""`/` and `/docs`, which need nothing from any other server, and recordings to try them with."""

from functools import cache
from importlib.resources import files
from typing import Any, Final

from fastapi import APIRouter, Response

from ossicle.serving.documented import refused
from ossicle.serving.refusal import Refusal

router = APIRouter()

TYPES: Final = {
    "css": "text/css; charset=utf-8",
    "html": "text/html; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}
# The guard adds what all responses have, such as the policy that scripts come from here alone.
HEADERS: Final = {
    "Cache-Control": "no-cache",  # kept, and asked for again: it changes with ossicle
    "Permissions-Policy": "microphone=(self), camera=(), geolocation=()",
}
_RECORDING: Final[dict[int | str, dict[str, Any]]] = {
    200: {"content": {"audio/ogg": {}}, "description": "An Ogg file."},
    **refused((404,)),
}


@router.get("/", include_in_schema=False)
def index() -> Response:
    """Return the page."""
    return _file("index.html")


@router.get("/docs", include_in_schema=False)
def docs() -> Response:
    """Return the page that draws /openapi.json."""
    return _file("docs.html")


@router.get("/page/{name}", include_in_schema=False)
def file(name: str) -> Response:
    """Return a file of the pages."""
    return _file(name)


@router.get("/examples")
def examples() -> dict[str, Any]:
    """Return the names of recordings to try adapters with: those of the demo corpus."""
    return {
        "examples": [{"name": name} for name in sorted(_contents("ossicle.data", "demo/audio"))]
    }


@router.get("/examples/{name}", response_class=Response, responses=_RECORDING)
def example(name: str) -> Response:
    """Return one of these recordings."""
    return Response(_content("ossicle.data", "demo/audio", name), media_type="audio/ogg")


def _file(name: str) -> Response:
    content = _content("ossicle.serving", "page", name)
    kind = TYPES[name.rpartition(".")[2]]
    return Response(content, media_type=kind, headers=HEADERS)


def _content(package: str, folder: str, name: str) -> bytes:
    """Return the content of a file of a package.

    Raises:
        Refusal: the folder has no file of that name.
    """
    if name not in _contents(package, folder):
        raise Refusal(404, f"there is no file '{name:.100}' here; /examples has the recordings")
    return (files(package) / folder / name).read_bytes()


@cache
def _contents(package: str, folder: str) -> frozenset[str]:
    """Return the names of the files in a folder of a package: no other path is opened."""
    return frozenset(one.name for one in (files(package) / folder).iterdir() if one.is_file())
