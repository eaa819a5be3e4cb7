"""`POST /v1/predict`: the answers of adapters to a recording."""

from typing import Any

from fastapi import APIRouter, Request

from ossicle.serving.documented import Answers
from ossicle.serving.requests import PREDICT_BODY, read_asked

router = APIRouter()


@router.post("/v1/predict", openapi_extra={"requestBody": PREDICT_BODY}, response_model=Answers)
async def predict(request: Request) -> dict[str, Any]:
    """Return what adapters answer to a recording.

    The recording is the field `file` of a form, the body itself, or base64 in JSON. With a raw
    body, the other fields are query parameters.
    """
    engine = request.app.state.engine
    with engine.admitted():
        found: dict[str, Any] = await engine.predict(await read_asked(request))
    return found
