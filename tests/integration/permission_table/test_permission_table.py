"""Every route of every application, asked by every kind of caller: docs/permissions.md, executed.

A route without a row fails here, and so does a row without a route, a scope without a column, and a cell that
is not as it is written. A failing row is told as it is, to be copied once it was thought about.
"""

from collections.abc import AsyncIterator, Iterator

import pytest

from contracts.api_keys import SCOPES
from contracts.token_claims import ROLES
from mini_auth import permissions
from mini_auth.permissions import Permission, declared_permissions
from tests.integration.permission_table import cast as casting
from tests.integration.permission_table.cast import CALLERS, DEAD, Cast, Headers, dead_callers
from tests.integration.permission_table.requests import content_for, path_for
from tests.integration.permission_table.table import DOCUMENT, Row, read_table
from tests.integration.permission_table.world import PrimaryAsReader, World, running_world
from tests.integration.write_api.application import Database, eventually
from tests.scratch_postgresql import scratch_postgresql

COLUMNS, ROWS = read_table(DOCUMENT.read_text("utf-8"))


@pytest.fixture(scope="module")
def database() -> Iterator[Database]:
    with scratch_postgresql() as server:
        yield Database(server)


@pytest.fixture(scope="module")
async def world(database: Database, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("read_api.app.ReaderPosition", PrimaryAsReader)
        async with running_world(database, tmp_path_factory.mktemp("world")) as world:
            yield world


@pytest.fixture(scope="module")
async def dead(world: World) -> dict[str, Headers]:
    """The dead callers, once every application knows that they are."""
    callers = dead_callers(world)
    one_each = {"write_api": "/api/v1/bookings", "read_api": "/api/v1/bookings", "mini_auth": "/introspect"}
    for application, path in one_each.items():

        async def all_are_refused(application: str = application, path: str = path) -> bool:
            method = "POST" if application == "mini_auth" else "GET"
            answers = [
                await world.send(application, method, path, headers, {}) for headers in callers.values()
            ]
            return all(answer.status_code == 401 for answer in answers)

        assert await eventually(f"{application} knows what is revoked", all_are_refused)
    return callers


def routes_of(world: World) -> dict[tuple[str, str], str]:
    """The permission of each (application, `METHOD /path`)."""
    return {
        (name, f"{method} {context.path}"): permission.name
        for name, app in world.applications.items()
        for context, permission in declared_permissions(app)
        for method in context.methods or ()
    }


async def test_each_route_has_a_row_that_names_its_permission(world: World) -> None:
    assert {(row.application, row.route): row.permission for row in ROWS} == routes_of(world)
    assert len({row.name for row in ROWS}) == len(ROWS)


def test_each_kind_of_caller_has_a_column() -> None:
    assert list(COLUMNS) == [*CALLERS, DEAD]
    assert set(casting.OWNER_OF_KEY) == set(SCOPES)
    assert {role for roles in casting.ROLES.values() for role in roles} == ROLES


def test_each_permission_is_explained() -> None:
    text = DOCUMENT.read_text("utf-8")
    for permission in vars(permissions).values():
        if isinstance(permission, Permission):
            assert permission_line(permission) in text


def permission_line(permission: Permission) -> str:
    roles = " or ".join(sorted(permission.roles)) or "any"
    fresh = "yes" if permission.is_sensitive else ""
    return (
        f"| {permission.name} | {type(permission).__name__} | {roles} | {permission.scope or ''} | {fresh} |"
    )


@pytest.mark.parametrize("row", ROWS, ids=[row.name for row in ROWS])
async def test_every_caller_is_answered_as_written(world: World, dead: dict[str, Headers], row: Row) -> None:
    answered: dict[str, int | list[str]] = {
        name: await status(world, row, caller(cast), cast)
        for name, caller in CALLERS.items()
        for cast in [Cast(world, row.situation)]
    }
    expected, refused = row.statuses[DEAD], Cast(world, row.situation)
    of_dead = {
        name: await status(world, row, headers, refused if expected == 401 else Cast(world, row.situation))
        for name, headers in dead.items()
    }
    differing = [f"{name}: {code}" for name, code in of_dead.items() if code != expected]
    answered[DEAD] = differing or expected
    assert answered == row.statuses, f"as it is:\n{row.line(answered)}"


async def status(world: World, row: Row, headers: Headers, cast: Cast) -> int:
    method = row.route.partition(" ")[0]
    path, content = await path_for(row.route, cast), await content_for(row.route, cast)
    before = world.fingerprint() if method != "GET" else None
    answer = await world.send(row.application, method, path, headers, content)
    if before and answer.status_code in {401, 403, 404}:
        assert world.fingerprint() == before, f"{row.name} changed something and answered {answer.text}"
    return answer.status_code
