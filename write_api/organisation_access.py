"""What other features ask of the organisations: who may host where, and which roles that gives in tokens.

The features never import each other; `features.py` hands these functions to them.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from service_kit.database import Connection

OwnOrganisation = Callable[[Connection, int], Awaitable[int]]
"""The organisation of events that name none, made if the person, who has this id, has none yet.

Raises Problem FORBIDDEN where the account may not host, TOKEN_INVALID where there is none.
"""

MayHost = Callable[[Connection, int, int], Awaitable[bool]]
"""Whether a person is owner or staff of an organisation (the ids, in this order).

They stay so until the transaction ends: whoever removes them waits for it.
"""

RolesAsMember = Callable[[Connection, int], Awaitable[frozenset[str]]]
"""The roles that a person's memberships add to those of the account."""


@dataclass(frozen=True, slots=True)
class OrganisationAccess:
    """What the catalogue asks."""

    own_organisation: OwnOrganisation
    may_host: MayHost
