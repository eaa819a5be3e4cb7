"""`GET /healthz` and `GET /readyz`."""

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse

router = APIRouter()


@router.get("/healthz")
async def healthz() -> dict[str, str]:
    """Return that the process is alive."""
    return {"status": "alive"}


@router.get("/readyz", responses={503: {"description": "It starts or stops."}})
async def readyz(request: Request) -> JSONResponse:
    """Return whether requests are answered: 503 while adapters are loaded, and while it stops."""
    state = request.app.state.engine.state
    return JSONResponse({"status": state}, 200 if state == "ready" else 503)
