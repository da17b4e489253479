"""The pages of `web/`, and the documentation of both APIs, which works offline."""

from pathlib import Path
from typing import Any

from fastapi import APIRouter
from fastapi.responses import HTMLResponse
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import Scope
from swagger_ui_bundle import swagger_ui_path

WEB_FOLDER = Path(__file__).resolve().parents[1] / "web"

_SELF_ONLY = (
    "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'none'"
)
# Swagger UI writes style attributes.
_WITH_INLINE_STYLES = f"{_SELF_ONLY}; style-src 'self' 'unsafe-inline'"

_DOCUMENTATION_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Frontrow: the APIs</title>
<link rel="icon" href="/docs/assets/favicon-32x32.png">
<link rel="stylesheet" href="/docs/assets/swagger-ui.css">
</head>
<body>
<div id="documentation"></div>
<script src="/docs/assets/swagger-ui-bundle.js"></script>
<script src="/docs/assets/swagger-ui-standalone-preset.js"></script>
<script src="/docs/start.js"></script>
</body>
</html>
"""
_DOCUMENTATION_SCRIPT = """SwaggerUIBundle({
  urls: [
    {url: "/openapi/read.json", name: "Searches, event pages and your bookings"},
    {url: "/openapi/write.json", name: "Accounts, events and bookings: what changes something"},
  ],
  dom_id: "#documentation",
  deepLinking: true,
  validatorUrl: null,
  presets: [SwaggerUIBundle.presets.apis, SwaggerUIStandalonePreset],
  layout: "StandaloneLayout",
});
"""


def _headers(policy: str, cache: str) -> dict[str, str]:
    return {
        "Cache-Control": cache,
        "Content-Security-Policy": policy,
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "same-origin",
    }


class Pages(StaticFiles):
    """Files of a folder with an ETag, asked for again each time: a 304 costs little and nothing is stale."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        """The file, or 304 where the browser has it. Raises HTTPException 404."""
        response = await super().get_response(path, scope)
        response.headers.update(_headers(_SELF_ONLY, "no-cache"))
        return response


class Assets(StaticFiles):
    """Files of a pinned package: they change with its version, which happens once in years."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        """The file, good for a day."""
        response = await super().get_response(path, scope)
        response.headers.update(_headers(_WITH_INLINE_STYLES, "public, max-age=86400"))
        return response


def pages_router(folder: Path = WEB_FOLDER) -> APIRouter:
    """`/`, the files beside it, and `/docs`.

    Folders of `folder` are not served: a route for them would answer for the APIs' addresses too.
    """
    pages = Pages(directory=folder, check_dir=False)

    async def page(request: Request) -> Response:
        name = request.path_params.get("name", "index.html")
        if name.startswith(".") or name.endswith(".py"):
            raise HTTPException(status_code=404)
        return await pages.get_response(name, request.scope)

    async def documentation(_: Request) -> Response:
        return HTMLResponse(_DOCUMENTATION_PAGE, headers=_headers(_WITH_INLINE_STYLES, "no-cache"))

    async def start_script(_: Request) -> Response:
        headers = _headers(_SELF_ONLY, "no-cache")
        return Response(_DOCUMENTATION_SCRIPT, media_type="text/javascript", headers=headers)

    routes: list[Any] = [
        Route("/", page),
        Route("/docs", documentation),
        Route("/docs/start.js", start_script),
        Mount("/docs/assets", Assets(directory=swagger_ui_path)),
        Route("/{name}", page),
    ]
    return APIRouter(routes=routes)
