"""What verifying a token stands on: the public keys, and what was revoked."""

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import Any, Self

from mini_auth.revocations import RevocationRefusedError, Revocations, revocation
from mini_auth.verification_key import KeyRefusedError, VerificationKey, verification_key

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Knowledge:
    """Keys by key id, and revocations; never changed, only replaced, so that identity tells of a change."""

    keys: Mapping[str, VerificationKey] = field(default_factory=lambda: MappingProxyType({}))
    revocations: Revocations = field(default_factory=Revocations)

    def with_news(
        self,
        key_rows: Iterable[Mapping[str, Any]],
        revocation_rows: Iterable[Mapping[str, Any]],
        *,
        now: datetime,
    ) -> Self:
        """Exactly these keys, and these revocations too; itself where that changes nothing.

        A key that did not change stays the same object. A row that is not usable is logged and costs no
        other one.
        """
        keys = self._keys_of(key_rows)
        revocations = self.revocations.with_news(_usable(revocation_rows), now=now)
        if revocations is self.revocations and list(keys.items()) == list(self.keys.items()):
            return self
        return type(self)(MappingProxyType(keys), revocations)

    def _keys_of(self, rows: Iterable[Mapping[str, Any]]) -> dict[str, VerificationKey]:
        keys: dict[str, VerificationKey] = {}
        for row in rows:
            try:
                key = verification_key(row)
            except KeyRefusedError as error:
                _LOG.error("a signing key is refused", extra={"reason": str(error)})
                continue
            before = self.keys.get(key.key_id)
            keys[key.key_id] = before if before == key and before is not None else key
        return keys


def _usable(rows: Iterable[Mapping[str, Any]]) -> Iterable[Any]:
    for row in rows:
        try:
            yield revocation(row)
        except RevocationRefusedError as error:
            _LOG.error("a revocation is refused", extra={"reason": str(error)})
