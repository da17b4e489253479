"""Mails go out once what they tell is durable, at least once, and whoever is not reached is tried again."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row

from tests.inbox import InboxProcess
from tests.integration.write_api.application import Application, Database, eventually, running_application
from tests.integration.write_api.test_answers import CommandedRule, HastyRule
from tests.people import unique
from write_api.notices import To, ToAccountOf, ToPerson
from write_api.notifications.store import NotificationStore

SUBJECT = "Your password for Frontrow was changed"


def person(database: Database, email: str) -> int:
    """Somebody who has this e-mail."""
    [row] = database.rows(
        "INSERT INTO people (email, email_folded, password_hash, display_name, roles) "
        "VALUES (%s, lower(%s), '-', 'Somebody', ARRAY['customer']) RETURNING id",
        email,
        email,
    )
    return int(row["id"])


def somebody(database: Database) -> tuple[int, str]:
    email = f"{unique('person')}@example.com"
    return person(database, email), email


async def enqueue(database: Database, *recipients: To, merge_seconds: int = 0, keep: bool = True) -> None:
    """Queues a mail to each in one transaction, which is rolled back unless `keep`."""
    async with await psycopg.AsyncConnection.connect(
        database.url("frontrow_write"), row_factory=dict_row
    ) as connection:
        for to in recipients:
            await NotificationStore().enqueue(connection, "password_changed", to, merge_seconds=merge_seconds)
        if not keep:
            await connection.rollback()


def statuses(database: Database) -> list[str]:
    return [row["status"] for row in database.rows("SELECT status FROM notifications ORDER BY id")]


async def settled(database: Database) -> list[str]:
    """The statuses once nothing is queued any more."""

    async def ask() -> list[str]:
        found = statuses(database)
        return [] if "queued" in found else found

    return await eventually("all is sent or given up", ask)


@asynccontextmanager
async def sending(
    database: Database, state: Path, inbox: InboxProcess, **substitutes: Any
) -> AsyncIterator[Application]:
    """An application that sends to the inbox."""
    changes = {"smtp_url": inbox.smtp_url, "public_url": "https://frontrow.test"}
    async with running_application(database, state, changes=changes, **substitutes) as application:
        yield application


async def test_a_mail_is_sent_once_its_transaction_is_committed_and_only_then(
    database: Database, state: Path, inbox: InboxProcess
) -> None:
    (first, first_email), (second, second_email) = somebody(database), somebody(database)
    async with sending(database, state, inbox):
        await enqueue(database, ToPerson(first), keep=False)
        await enqueue(database, ToPerson(second))
        assert await settled(database) == ["sent"]
    assert inbox.mails(first_email) == []
    [mail] = inbox.mails(second_email)
    assert mail["subject"] == SUBJECT
    assert mail["sender"] == "no-reply@frontrow.local"
    assert "https://frontrow.test/" in mail["text"]
    [row] = database.rows("SELECT * FROM notifications")
    assert (row["person_id"], row["address"], row["tries"]) == (second, second_email, 1)
    assert row["sent_at"] is not None


async def test_a_mail_goes_to_the_accounts_address_and_to_nobody_without_an_account(
    database: Database, state: Path, inbox: InboxProcess
) -> None:
    person_id, email = somebody(database)
    written = email.replace("person", "PERSON")
    database.rows("UPDATE people SET email = %s WHERE id = %s", written, person_id)
    async with sending(database, state, inbox):
        await enqueue(database, ToAccountOf(email), ToAccountOf(f"{unique('nobody')}@example.com"))
        assert await settled(database) == ["sent", "no_recipient"]
    assert inbox.mails(email)[0]["recipients"] == [written]


async def test_nothing_is_mailed_that_could_still_be_lost(
    database: Database, state: Path, inbox: InboxProcess
) -> None:
    person_id, email = somebody(database)
    rule = CommandedRule()
    async with sending(database, state, inbox, confirmation_rule=rule):
        rule.confirms = False
        await enqueue(database, ToPerson(person_id))
        samples = rule.samples

        async def was_asked_for_long() -> bool:
            return rule.samples > samples + 100

        await eventually("the gate is asked again and again", was_asked_for_long)
        assert statuses(database) == ["queued"]
        assert inbox.mails(email) == []
        rule.confirms = True
        assert await settled(database) == ["sent"]
    assert len(inbox.mails(email)) == 1


async def test_with_a_rule_that_confirms_too_early_it_is_mailed(
    database: Database, state: Path, inbox: InboxProcess
) -> None:
    """The control: the gate is what holds the mail in the test above."""
    person_id, email = somebody(database)
    rule = HastyRule()
    async with sending(database, state, inbox, confirmation_rule=rule):
        rule.confirms = False
        await enqueue(database, ToPerson(person_id))
        assert await settled(database) == ["sent"]
    assert inbox.mails(email)


async def test_two_processes_send_each_mail_once(
    database: Database, tmp_path: Path, inbox: InboxProcess
) -> None:
    people = [somebody(database) for _ in range(40)]
    async with (
        sending(database, tmp_path / "first", inbox),
        sending(database, tmp_path / "second", inbox),
    ):
        await enqueue(database, *(ToPerson(one) for one, _ in people))
        assert await settled(database) == ["sent"] * len(people)
    assert [len(inbox.mails(email)) for _, email in people] == [1] * len(people)


async def test_a_mail_server_that_is_away_is_tried_again(database: Database, state: Path) -> None:
    person_id, email = somebody(database)
    inbox = InboxProcess()
    try:
        async with sending(database, state, inbox):
            await enqueue(database, ToPerson(person_id))

            async def was_tried() -> bool:
                return database.has("SELECT FROM notifications WHERE tries > 0 AND last_error IS NOT NULL")

            await eventually("it is tried", was_tried)
            assert statuses(database) == ["queued"]
            await asyncio.to_thread(inbox.start)
            database.rows("UPDATE notifications SET due_at = now()")  # not after 5 s
            assert await settled(database) == ["sent"]
        assert len(inbox.mails(email)) == 1
    finally:
        inbox.stop()


async def test_what_is_sent_twice_has_one_message_id(
    database: Database, state: Path, inbox: InboxProcess
) -> None:
    """As when a process dies after the server took the mail, and before that is written down."""
    person_id, email = somebody(database)
    async with sending(database, state, inbox):
        await enqueue(database, ToPerson(person_id))
        await settled(database)
        database.rows("UPDATE notifications SET status = 'queued', sent_at = NULL, due_at = now()")
        assert await settled(database) == ["sent"]
    ids = [mail["message_id"] for mail in inbox.mails(email)]
    assert len(ids) == 2
    assert len(set(ids)) == 1
    assert "@frontrow.local>" in ids[0]


async def test_a_recipient_whom_the_server_refuses_is_given_up_and_stops_nobody_else(
    database: Database, state: Path, inbox: InboxProcess
) -> None:
    refused = person(database, f"{unique('person')}@refused.example")
    unwritable = person(database, f"{unique('person')}@{'x' * 70}.example")
    person_id, email = somebody(database)
    async with sending(database, state, inbox):
        await enqueue(database, ToPerson(refused), ToPerson(unwritable), ToPerson(person_id))

        async def are_tried() -> bool:
            return statuses(database) == ["failed", "queued", "sent"]

        await eventually("each is tried", are_tried)
    assert len(inbox.mails(email)) == 1
    errors = [row["last_error"] for row in database.rows("SELECT last_error FROM notifications ORDER BY id")]
    assert "550" in errors[0]
    assert "address" in errors[1]


async def test_several_requests_for_one_mail_are_merged_and_cost_the_same(
    database: Database, state: Path, inbox: InboxProcess
) -> None:
    _, email = somebody(database)
    await asyncio.gather(*(enqueue(database, ToAccountOf(email), merge_seconds=300) for _ in range(5)))
    assert sorted(statuses(database)) == ["merged"] * 4 + ["queued"]
    database.rows("UPDATE notifications SET created_at = now() - interval '301 s'")
    await enqueue(database, ToAccountOf(email), merge_seconds=300)
    assert statuses(database)[-1] == "queued"


async def test_without_a_mail_server_mails_wait_and_health_says_so(database: Database, state: Path) -> None:
    person_id, _ = somebody(database)
    await enqueue(database, ToPerson(person_id))
    async with running_application(database, state) as application:

        async def mail() -> dict[str, Any] | None:
            health = (await application.anonymous.get("/health/ready")).json()["details"]["mail"]
            return dict(health) if health["queued"] else None

        details = await eventually("health counts what waits", mail)
        assert details["sends"] is False
        assert details["queued"] == 1
        assert statuses(database) == ["queued"]


async def test_what_nobody_needs_any_more_is_forgotten(database: Database, state: Path) -> None:
    person_id, email = somebody(database)
    await enqueue(
        database, *[ToPerson(person_id)] * 3, ToAccountOf(email), ToAccountOf(email), merge_seconds=9
    )
    rows = database.rows("SELECT id FROM notifications ORDER BY id")
    sent, kept, waiting, _, merged = (row["id"] for row in rows)
    for one, age in ((sent, "31 days"), (kept, "29 days")):
        database.rows(
            "UPDATE notifications SET status = 'sent', sent_at = now(), created_at = now() - %s::interval "
            "WHERE id = %s",
            age,
            one,
        )
    for one, age in ((waiting, "40 days"), (merged, "25 hours")):
        database.rows("UPDATE notifications SET created_at = now() - %s::interval WHERE id = %s", age, one)
    async with running_application(database, state):

        async def is_forgotten() -> bool:
            return not database.has("SELECT FROM notifications WHERE id = ANY(%s)", [sent, merged])

        await eventually("old rows are gone", is_forgotten)
    assert database.has("SELECT FROM notifications WHERE id = %s", kept)
    assert database.has("SELECT FROM notifications WHERE id = %s AND status = 'queued'", waiting)


@pytest.mark.parametrize("statement", ["SELECT * FROM notifications", "SELECT email FROM people"])
def test_who_only_reads_sees_no_mail(database: Database, statement: str) -> None:
    with (
        psycopg.connect(database.url("frontrow_read")) as connection,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        connection.execute(statement.encode())


async def test_a_person_is_shown_and_rid_of_what_was_sent_and_asked_for(
    application: Application,
) -> None:
    person_id, email = somebody(application.database)
    _, other = somebody(application.database)
    await enqueue(application.database, ToPerson(person_id), ToAccountOf(email), ToAccountOf(other))
    shown = "SELECT id FROM own_data.notifications WHERE person_id = %s"
    assert len(application.database.rows(shown, person_id)) == 2
    async with await psycopg.AsyncConnection.connect(
        application.database.url("frontrow_write"), row_factory=dict_row
    ) as connection:
        await NotificationStore().erase(connection, person_id)
    assert not application.database.has(shown, person_id)
    assert application.database.has("SELECT FROM notifications WHERE email_folded = %s", other)
