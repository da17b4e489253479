"""`frontrow accounts ...`: what an operator does with somebody's account.

Exit codes: 0 done, or was so already; 1 refused (it is said why); 2 the primary can't be reached.
"""

import asyncio
from collections.abc import Callable
from enum import StrEnum
from typing import Annotated, Literal

import typer

from service_kit.database import Connection
from service_kit.email_address import folded_email
from write_api.accounts.administered import AccountAdministration
from write_api.accounts.store import AccountStore
from write_api.audit_log import OPERATOR, AuditLog
from write_api.primary_access import REFUSED, PrimaryAccess, with_primary


class GrantedRole(StrEnum):
    """What an operator grants."""

    HOST = "host"
    SCANNER = "scanner"
    ADMIN = "admin"
    SUPERADMIN = "superadmin"


GrantOutcome = Literal["granted", "had it", "not confirmed", "no account"]


def account_commands(access: Callable[[], PrimaryAccess]) -> typer.Typer:
    """The commands; `access` tells how to reach the primary."""
    app = typer.Typer(name="accounts", help="People's accounts.", no_args_is_help=True, rich_markup_mode=None)

    @app.callback()
    def accept_commands() -> None: ...

    @app.command(epilog="Example: frontrow accounts confirm ana@example.com")
    def confirm(email: Annotated[str, typer.Argument(help="The account's e-mail.")]) -> None:
        """Confirm an account's e-mail without a mail, for somebody whom you know."""
        is_news = confirm_account(access(), email)
        if is_news is None:
            typer.echo(f"No account has the e-mail {email}.", err=True)
            raise typer.Exit(REFUSED)
        typer.echo(f"{email} is confirmed." if is_news else f"{email} was confirmed before.")

    @app.command(epilog="Example: frontrow accounts grant ana@example.com --role superadmin")
    def grant(
        email: Annotated[str, typer.Argument(help="The account's e-mail.")],
        role: Annotated[GrantedRole, typer.Option("--role", help="What to grant.")],
    ) -> None:
        """Grant a role: so the first superadmin is made. It counts from the next login or refresh."""
        outcome = grant_role(access(), email, role)
        if outcome in {"no account", "not confirmed"}:
            reason = f"No account has the e-mail {email}."
            if outcome == "not confirmed":
                reason = f"{email} is not confirmed yet: a role would be of no use. Nothing was changed."
            typer.echo(reason, err=True)
            raise typer.Exit(REFUSED)
        typer.echo(f"{email} has the role {role.value} {'now' if outcome == 'granted' else 'already'}.")

    return app


def confirm_account(access: PrimaryAccess, email: str) -> bool | None:
    """Confirms an account's e-mail; False where it was before, None where there is no such account."""

    async def work(connection: Connection) -> bool | None:
        store = AccountStore()
        async with connection.transaction():
            person_id = await store.person_with(connection, email_folded=folded_email(email))
            if person_id is None:
                return None
            is_news = await store.confirm_email(connection, person_id=person_id)
            if is_news:
                await AuditLog(access.region).record(
                    connection, actor=OPERATOR, action="email-confirmed", subject=f"person:{person_id}"
                )
            return is_news

    return asyncio.run(with_primary(access, work, command="accounts"))


def grant_role(access: PrimaryAccess, email: str, role: GrantedRole) -> GrantOutcome:
    """Gives an account a role, and tells what became of it."""

    async def work(connection: Connection) -> GrantOutcome:
        accounts = AccountAdministration()
        async with connection.transaction():
            account = await accounts.find_by_email(connection, email_folded=folded_email(email))
            if account is None:
                return "no account"
            if account.email_confirmed_at is None:
                return "not confirmed"
            if not await accounts.grant_role(connection, person_id=account.id, role=role.value):
                return "had it"
            await AuditLog(access.region).record(
                connection,
                actor=OPERATOR,
                action="role-granted",
                subject=f"person:{account.id}",
                details={"role": role.value},
            )
            return "granted"

    return asyncio.run(with_primary(access, work, command="accounts"))
