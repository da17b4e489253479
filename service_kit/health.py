"""Health addresses that every process serves in the same form, for the platform and the gateway."""

from collections.abc import Awaitable, Callable
from importlib.metadata import version
from typing import Any

from fastapi import APIRouter
from fastapi.responses import JSONResponse

Readiness = Callable[[], Awaitable[tuple[bool, dict[str, Any]]]]


def health_router(*, process: str, region: str, readiness: Readiness) -> APIRouter:
    """`GET /health/live` and `GET /health/ready`; `readiness` gives (is ready, details) within a second."""
    router = APIRouter(include_in_schema=False)
    identity = {"process": process, "version": version("frontrow"), "region": region}

    @router.get("/health/live")
    async def live() -> JSONResponse:
        return JSONResponse({"status": "alive", **identity})

    @router.get("/health/ready")
    async def ready() -> JSONResponse:
        is_ready, details = await readiness()
        status = "ready" if is_ready else "not_ready"
        return JSONResponse(
            {"status": status, **identity, "details": details}, status_code=200 if is_ready else 503
        )

    return router
