"""`/v1/adapters`: which adapters are served; loading and removing them."""

from pathlib import Path
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel, ConfigDict, Field

from ossicle.serving.catalogue import Entry
from ossicle.serving.documented import Adapter, Adapters
from ossicle.serving.engine import Engine
from ossicle.serving.roots import check_allowed, folder_below

router = APIRouter()


class Loading(BaseModel):
    """An adapter to load."""

    model_config = ConfigDict(extra="forbid")

    folder: str = Field(
        min_length=1, max_length=1000, description="Its folder, relative to that of --adapters."
    )
    name: str | None = Field(
        None,
        min_length=1,
        max_length=200,
        pattern=r"^[^\x00-\x1f]+$",
        description="Its name. Default: its folder.",
    )


@router.get("/v1/adapters", response_model=Adapters)
async def adapters(request: Request) -> dict[str, Any]:
    """Return all adapters."""
    engine: Engine = request.app.state.engine
    return {"adapters": [_about(engine, entry) for entry in engine.catalogue.entries()]}


@router.post("/v1/adapters", status_code=201, response_model=Adapter)
async def load(request: Request, wanted: Loading) -> dict[str, Any]:
    """Load an adapter from a folder on the server; requests for others go on meanwhile."""
    engine: Engine = request.app.state.engine
    root, folder = folder_below(engine.settings, wanted.folder)
    name = wanted.name or folder.relative_to(root).as_posix()
    with engine.admitted(asks_models=False):
        return await run_in_threadpool(_load, engine, name, folder)


@router.delete("/v1/adapters/{name:path}", status_code=204)
async def remove(request: Request, name: str) -> Response:
    """Remove an adapter; requests that have begun are answered."""
    engine: Engine = request.app.state.engine
    check_allowed(engine.settings)
    await run_in_threadpool(engine.remove, name)
    return Response(status_code=204)


def _load(engine: Engine, name: str, folder: Path) -> dict[str, Any]:
    return _about(engine, engine.add(name, folder))


def _about(engine: Engine, entry: Entry) -> dict[str, Any]:
    return {**entry.describe(), "resident": engine.is_resident(entry)}
