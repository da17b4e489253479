"""Administrators of a platform, for tests."""

import psycopg

from tests.conftest import Platform
from tests.people import PASSWORD, People, Person


def administrator(platform: Platform, people: People) -> Person:
    """A new person with the role admin, which only the database can give to the first."""
    person = people.sign_up("customer")
    url = platform.database_url("postgres", "main")
    local = "-c synchronous_commit=local"  # what comes after it waits for the quorum
    with psycopg.connect(url, autocommit=True, options=local) as connection:
        connection.execute(
            "UPDATE people SET roles = roles || '{admin}', email_confirmed_at = now() WHERE email = %s",
            (person.email,),
        )
    login = person.client.post("/api/v1/login", json={"email": person.email, "password": PASSWORD})
    token = login.raise_for_status().json()["access_token"]
    person.client.headers["Authorization"] = f"Bearer {token}"
    return person
