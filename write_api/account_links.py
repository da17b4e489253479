"""The links in mails of accounts: who confirms an e-mail, and who sets a new password without the old one."""

from datetime import datetime, timedelta

from service_kit.signed_links import Link, SignedLinks

CONFIRMATION_SECONDS = 3 * 86_400
RESET_SECONDS = 3600
_ONLY_EMAIL = 1
"""The version of a confirmation: an account's e-mail never changes."""


class AccountLinks:
    """Writes and reads the codes of both kinds, under keys made from `secret`. Times are aware."""

    def __init__(self, secret: bytes) -> None:
        self._confirmations = SignedLinks(secret, "confirm e-mail")
        self._resets = SignedLinks(secret, "reset password")

    def confirmation(self, person_id: int, *, now: datetime) -> str:
        """Confirms that the person reads the account's mail; good for three days, any number of times."""
        return self._confirmations.write(Link(person_id, _ONLY_EMAIL, _after(now, CONFIRMATION_SECONDS)))

    def reset(self, person_id: int, password_version: int, *, now: datetime) -> str:
        """Sets a new password; good for an hour, and dead once the password has changed."""
        return self._resets.write(Link(person_id, password_version, _after(now, RESET_SECONDS)))

    def read_confirmation(self, code: str, *, now: datetime) -> int:
        """Whose e-mail it confirms. Raises LinkRefusedError."""
        return self._confirmations.read(code, now=now).subject

    def read_reset(self, code: str, *, now: datetime) -> Link:
        """Whose password it sets, and for which version of it. Raises LinkRefusedError."""
        return self._resets.read(code, now=now)


def _after(now: datetime, seconds: int) -> datetime:
    return now + timedelta(seconds=seconds)
