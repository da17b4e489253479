"""What is refused alike wherever an event is changed."""

from contracts import problems
from contracts.event import may_see
from contracts.token_claims import Identity
from service_kit.database import Connection, Row
from service_kit.problem_responses import Problem
from write_api.organisation_access import OrganisationAccess


async def hosted(
    organisations: OrganisationAccess, connection: Connection, host: Identity, row: Row | None, event_id: int
) -> Row:
    """The event's row, if the person may change it, until the transaction ends.

    Raises Problem NOT_FOUND, FORBIDDEN.
    """
    is_host = row is not None and await organisations.may_host(
        connection, host.person_id, row["organisation_id"]
    )
    if row is None or not may_see(row["status"], is_host=is_host):
        raise Problem(problems.NOT_FOUND, f"There is no event {event_id}.")
    if not is_host:
        raise Problem(problems.FORBIDDEN, f"Event {event_id} is another organisation's.")
    return row


def invalid_field(field: str, message: str) -> Problem:
    """The refusal of one member of a body, for what its schema can't know."""
    errors = [{"location": f"body.{field}", "message": message}]
    return Problem(problems.INVALID_REQUEST, "The request is wrong in 1 place.", errors=errors)
