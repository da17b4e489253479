"""The account that runs the engines: ourselves, or an unprivileged one when we are root.

PostgreSQL and Elasticsearch refuse to run as root, so root hands them (and everything else that is not our
own code) to an account that owns nothing but the engines' state.
"""

import os
import pwd
import stat
from dataclasses import dataclass
from pathlib import Path


class AccountError(Exception):
    """No account can run the engines; the message says what to do."""


@dataclass(frozen=True)
class Account:
    """An account of this machine, and whether a process must switch to it."""

    name: str
    user_id: int
    group_id: int
    is_other: bool
    """True when we are root and the process must be started as this account."""

    def can_traverse(self, path: Path) -> bool:
        """Tell whether this account can reach `path` through all folders above it."""
        return all(self._may_enter(folder) for folder in path.absolute().parents if folder.exists())

    def _may_enter(self, folder: Path) -> bool:
        status = folder.stat()
        if status.st_uid == self.user_id:
            return bool(status.st_mode & stat.S_IXUSR)
        if status.st_gid == self.group_id:
            return bool(status.st_mode & stat.S_IXGRP)
        return bool(status.st_mode & stat.S_IXOTH)

    def give(self, path: Path) -> None:
        """Make this account the owner of one file or folder (nothing to do when it is ourselves)."""
        if self.is_other:
            os.chown(path, self.user_id, self.group_id)


def engine_account(run_as: str) -> Account:
    """Return the account that runs the engines; `run_as` is used only when we are root.

    Raises AccountError if that account does not exist or is root itself.
    """
    if os.geteuid() != 0:
        own = os.geteuid()
        return Account(name=str(own), user_id=own, group_id=os.getegid(), is_other=False)
    try:
        entry = pwd.getpwnam(run_as)
    except KeyError:
        raise AccountError(
            f"you are root, and there is no user {run_as!r} to run the engines: "
            "create it, or set FRONTROW_RUN_AS to an ordinary user"
        ) from None
    if entry.pw_uid == 0:
        raise AccountError(
            "FRONTROW_RUN_AS must be an ordinary user: PostgreSQL and Elasticsearch refuse root"
        )
    return Account(name=run_as, user_id=entry.pw_uid, group_id=entry.pw_gid, is_other=True)
