"""`GET /healthz`, `GET /readyz` and `GET /metrics`."""

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from ossicle.serving.measures import CONTENT_TYPE

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


@router.get(
    "/metrics",
    response_class=Response,
    responses={200: {"content": {"text/plain": {}}, "description": "In the format of Prometheus."}},
)
async def metrics(request: Request) -> Response:
    """Return requests, latency by stage, queue, batches, rows by adapter and memory."""
    return Response(request.app.state.engine.measures.text(), media_type=CONTENT_TYPE)
