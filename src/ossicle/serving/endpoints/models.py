"""`GET /v1/models`: the adapters, as OpenAI's API lists models."""

from typing import Literal

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field

from ossicle.serving.engine import Engine

router = APIRouter()


class Model(BaseModel):
    """An adapter."""

    id: str = Field(description="Its name.")
    object: Literal["model"] = "model"
    created: int = Field(description="When its folder was written, in seconds since 1970.")
    owned_by: str = "ossicle"


class Models(BaseModel):
    """All adapters."""

    object: Literal["list"] = "list"
    data: list[Model]


@router.get("/v1/models")
async def models(request: Request) -> Models:
    """Return all adapters, as OpenAI's API lists models."""
    engine: Engine = request.app.state.engine
    return Models(
        data=[Model(id=one.name, created=one.created_s) for one in engine.catalogue.entries()]
    )
