"""The HTTP application."""

import logging
from collections.abc import Collection
from typing import Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from ossicle import __version__
from ossicle.errors import OssicleError
from ossicle.serving.documented import OF_PAGES, OF_REQUESTS, refused
from ossicle.serving.endpoints import (
    adapters,
    embeddings,
    health,
    models,
    page,
    predict,
    transcriptions,
    verify,
)
from ossicle.serving.engine import Engine
from ossicle.serving.guard import Guard, GuardLimits
from ossicle.serving.refusal import Refusal, invalid, refusal_of

_LOGGER: Final = logging.getLogger(__name__)


def create_app(engine: Engine, *, key: str | None = None, hosts: Collection[str] = ()) -> FastAPI:
    """Return the application that answers with an engine.

    Args:
        engine: The engine; it may still be loading.
        key: What clients have to send; None: everybody is answered.
        hosts: Names by which the server may be called; none: any. See `Guard`.
    """
    limits = GuardLimits(
        max_body_bytes=engine.settings.max_body_bytes, max_sending_s=engine.settings.max_sending_s
    )
    app = FastAPI(title="ossicle", version=__version__, docs_url=None, redoc_url=None)
    app.state.engine = engine
    for endpoint in (predict, transcriptions, embeddings, verify, adapters):
        app.include_router(endpoint.router, responses=refused(OF_REQUESTS))
    for pages in (models, health, page):
        app.include_router(pages.router, responses=refused(OF_PAGES))
    app.add_middleware(Guard, limits, key=key, hosts=hosts, observe=engine.measures.request)
    app.add_exception_handler(OssicleError, _on_error)
    app.add_exception_handler(RequestValidationError, _on_invalid)
    app.add_exception_handler(HTTPException, _on_http)
    app.add_exception_handler(Exception, _on_bug)
    return app


def _answer(refusal: Refusal) -> JSONResponse:
    return JSONResponse(refusal.content, refusal.status, refusal.headers)


async def _on_error(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, OssicleError)
    return _answer(refusal_of(error))


async def _on_invalid(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"] if part not in ("body", "query", "path"))
    return _answer(invalid(f"`{where:.100}`: {first['msg']}" if where else first["msg"]))


async def _on_http(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    told = {404: "there is no such page; see /docs", 405: "this page has other methods; see /docs"}
    refusal = Refusal(error.status_code, told.get(error.status_code, str(error.detail)))
    return JSONResponse(refusal.content, refusal.status, error.headers)


async def _on_bug(_: Request, error: Exception) -> JSONResponse:
    _LOGGER.error(f"A request failed by a bug in ossicle: {type(error).__name__}", exc_info=error)
    return _answer(Refusal(500, "the server failed by a bug of its own", "internal"))
