"""HTTP addresses of accounts and their passwords."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request

from contracts import problems
from contracts.token_claims import Identity
from mini_auth.permissions import MANAGE_ACCOUNT, PUBLIC
from service_kit.client_address import client_address
from service_kit.json_bodies import JsonRoute
from service_kit.openapi import BODY_REQUEST, refusals
from write_api.accounts.password_service import PasswordService
from write_api.accounts.schemas import Confirmation, Mailing, PasswordChange, PasswordReset, SignedUp, SignUp
from write_api.accounts.service import AccountService

router = APIRouter(prefix="/api/v1", tags=["accounts"], route_class=JsonRoute)


async def _accounts(request: Request) -> AccountService:
    service: AccountService = request.app.state.accounts
    return service


async def _passwords(request: Request) -> PasswordService:
    service: PasswordService = request.app.state.passwords
    return service


Accounts = Annotated[AccountService, Depends(_accounts)]
Passwords = Annotated[PasswordService, Depends(_passwords)]
Person = Annotated[Identity, Depends(MANAGE_ACCOUNT)]
_LIMITED = (problems.TOO_MANY_REQUESTS, *BODY_REQUEST)
_CHANGE = (problems.TOKEN_MISSING, problems.TOKEN_INVALID, problems.CREDENTIALS_WRONG, problems.CONFLICT)


@router.post("/accounts", status_code=202, dependencies=[Depends(PUBLIC)], responses=refusals(*_LIMITED))
async def sign_up(request: Request, body: SignUp, accounts: Accounts) -> SignedUp:
    """Sign up. Log in at once; hosting waits until the e-mail is confirmed by the link that is mailed.

    An e-mail has one account, compared without regard to case. Where it has one already that is left as it
    is, and its owner is told by mail.
    """
    return await accounts.sign_up(body, address=client_address(request))


@router.post(
    "/accounts/confirm",
    status_code=204,
    dependencies=[Depends(PUBLIC)],
    responses=refusals(problems.LINK_REFUSED, *BODY_REQUEST),
)
async def confirm_email(body: Confirmation, accounts: Accounts) -> None:
    """Confirm an e-mail; again is fine. The next login or refresh gives all roles of the account."""
    await accounts.confirm(body)


@router.post(
    "/accounts/confirm/resend",
    status_code=202,
    dependencies=[Depends(PUBLIC)],
    responses=refusals(*_LIMITED),
)
async def resend_confirmation(request: Request, body: Mailing, accounts: Accounts) -> None:
    """Ask for the confirmation's mail again. Where the e-mail has no account, the answer is the same."""
    await accounts.resend_confirmation(body, address=client_address(request))


@router.post(
    "/password/forgotten",
    status_code=202,
    dependencies=[Depends(PUBLIC)],
    responses=refusals(*_LIMITED),
)
async def forget_password(request: Request, body: Mailing, passwords: Passwords) -> None:
    """Ask for a link to set a new password. Where the e-mail has no account, the answer is the same."""
    await passwords.forgotten(body, address=client_address(request))


@router.post(
    "/password/reset",
    status_code=204,
    dependencies=[Depends(PUBLIC)],
    responses=refusals(problems.LINK_REFUSED, *BODY_REQUEST),
)
async def reset_password(body: PasswordReset, passwords: Passwords) -> None:
    """Set a new password by the link of a mail, once. You are logged out everywhere."""
    await passwords.reset(body)


@router.put("/password", status_code=204, responses=refusals(*_CHANGE, *_LIMITED))
async def change_password(
    request: Request, body: PasswordChange, person: Person, passwords: Passwords
) -> None:
    """Set a new password by the present one. You are logged out everywhere but here."""
    await passwords.change(person, body, address=client_address(request))
