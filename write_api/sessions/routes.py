"""HTTP addresses of sessions. Answers with tokens are never cached (RFC 6749, section 5.1)."""

from typing import Annotated

from fastapi import APIRouter, Depends, Header, Request, Response

from contracts import problems
from contracts.token_claims import Identity
from mini_auth.permissions import MANAGE_SESSIONS, PUBLIC
from service_kit.client_address import client_address
from service_kit.fields import PathId
from service_kit.json_bodies import JsonRoute
from service_kit.openapi import ANY_REQUEST, BODY_REQUEST, WITH_TOKEN, refusals
from write_api.sessions.schemas import MAX_CLIENT_LENGTH, Login, Refresh, SessionList, Tokens
from write_api.sessions.service import SessionService

router = APIRouter(prefix="/api/v1", tags=["sessions"], route_class=JsonRoute)


async def _service(request: Request) -> SessionService:
    service: SessionService = request.app.state.sessions
    return service


Service = Annotated[SessionService, Depends(_service)]
Person = Annotated[Identity, Depends(MANAGE_SESSIONS)]
UserAgent = Annotated[str, Header(include_in_schema=False)]
_LOGIN = (problems.CREDENTIALS_WRONG, problems.TOO_MANY_REQUESTS, *BODY_REQUEST)


@router.post("/login", dependencies=[Depends(PUBLIC)], responses=refusals(*_LOGIN))
async def log_in(
    request: Request, body: Login, service: Service, response: Response, user_agent: UserAgent = ""
) -> Tokens:
    """Log in with e-mail and password."""
    response.headers["Cache-Control"] = "no-store"
    return await service.log_in(body, client=_printable(user_agent), address=client_address(request))


@router.post(
    "/refresh", dependencies=[Depends(PUBLIC)], responses=refusals(problems.SESSION_ENDED, *BODY_REQUEST)
)
async def refresh(body: Refresh, service: Service, response: Response) -> Tokens:
    """Get the next tokens. A refresh token is good once; used again later, it ends the session."""
    response.headers["Cache-Control"] = "no-store"
    return await service.refresh(body)


@router.post("/logout", status_code=204, responses=refusals(*WITH_TOKEN, *ANY_REQUEST))
async def log_out(person: Person, service: Service) -> None:
    """Log out here: the session and its tokens end, in every region within two seconds."""
    await service.log_out(person)


@router.post("/logout/everywhere", status_code=204, responses=refusals(*WITH_TOKEN, *ANY_REQUEST))
async def log_out_everywhere(person: Person, service: Service) -> None:
    """Log out wherever you are logged in."""
    await service.log_out_everywhere(person)


@router.get("/sessions", responses=refusals(*WITH_TOKEN, *ANY_REQUEST))
async def list_sessions(person: Person, service: Service) -> SessionList:
    """Where you are logged in."""
    return await service.list_own(person)


@router.delete(
    "/sessions/{session_id}",
    status_code=204,
    responses=refusals(*WITH_TOKEN, problems.NOT_FOUND, *ANY_REQUEST),
)
async def end_session(session_id: PathId, person: Person, service: Service) -> None:
    """Log out one of your sessions."""
    await service.end_session(person, session_id)


def _printable(user_agent: str) -> str:
    """What a client calls itself, as far as it can be shown."""
    return "".join(one for one in user_agent if one.isprintable())[:MAX_CLIENT_LENGTH]
