"""The engines of one region, started, killed and stopped as a person would do it."""

import signal

import psutil
import psycopg
import pytest

from tests.conftest import Platform, is_free
from tests.integration.local_platform.conftest import ENGINES
from tests.people import unique, wait_for


def pids(platform: Platform) -> dict[str, int]:
    return {one["name"]: one["pid"] for one in platform.status()["components"] if one["name"] in ENGINES}


def remember(platform: Platform) -> str:
    """Commit a row on main; returns what it says."""
    word = unique("word")
    with psycopg.connect(platform.database_url("frontrow_owner", "main"), autocommit=True) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS remembered (word text PRIMARY KEY)")
        connection.execute("INSERT INTO remembered VALUES (%s)", (word,))
    return word


def reader_knows(platform: Platform, word: str) -> bool:
    try:
        with psycopg.connect(
            platform.database_url("frontrow_owner", "reader"), connect_timeout=2
        ) as connection:
            return (
                connection.execute("SELECT 1 FROM remembered WHERE word = %s", (word,)).fetchone() is not None
            )
    except psycopg.Error:
        return False


def test_a_second_up_changes_nothing(engines: Platform) -> None:
    before = pids(engines)
    assert all(before.values())
    output = engines.up(*ENGINES).stdout
    assert output.count("was running") == len(ENGINES)
    assert pids(engines) == before


def test_the_engines_do_not_run_as_root(engines: Platform) -> None:
    for pid in pids(engines).values():
        assert psutil.Process(pid).uids().effective != 0


def test_what_main_commits_the_reader_knows_and_cannot_change(engines: Platform) -> None:
    word = remember(engines)
    wait_for("the reader knows it", lambda: reader_knows(engines, word))
    with (
        psycopg.connect(engines.database_url("frontrow_owner", "reader"), autocommit=True) as connection,
        pytest.raises(psycopg.errors.ReadOnlySqlTransaction),
    ):
        connection.execute("DELETE FROM remembered")


def test_passwords_are_needed(engines: Platform) -> None:
    url = engines.database_url("frontrow_read", "main")
    password = url.partition("frontrow_read:")[2].partition("@")[0]
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(url.replace(password, "guessed"))


def test_status_tells_what_runs_and_how_far_the_reader_is(engines: Platform) -> None:
    status = engines.status()
    by_name = {one["name"]: one for one in status["components"]}
    for name in ENGINES:
        assert by_name[name]["state"] == "running", by_name[name]
        assert by_name[name]["memory_bytes"] > 1_000_000
        assert by_name[name]["address"] == engines.address(name)
        assert by_name[name]["version"]
    assert by_name["write_api"]["state"] == "stopped"
    assert not status["all_running"]
    assert engines.command("status", check=False).returncode == 1
    (region,) = status["regions"]
    assert region["durability"] == "local"
    assert region["replication_lag_bytes"] >= 0
    assert region["replication_lag_ms"] >= 0


@pytest.mark.parametrize("victim", ["kafka", "elasticsearch", "reader"])
def test_a_killed_engine_comes_back_by_up_and_the_others_are_left_alone(
    engines: Platform, victim: str
) -> None:
    before = pids(engines)
    killed = engines.kill(victim)
    assert engines.component(victim)["state"] == "stopped"
    engines.up(*ENGINES)
    after = pids(engines)
    assert after.pop(victim) not in {None, killed}
    assert after == {name: pid for name, pid in before.items() if name != victim}
    word = remember(engines)
    wait_for("the reader knows it", lambda: reader_knows(engines, word))


def test_a_killed_server_whose_process_id_another_process_has_now_still_comes_back(engines: Platform) -> None:
    """PostgreSQL alone would refuse: its lock file names a process id that exists."""
    engines.kill("reader")
    lock_file = engines.home / "eu" / "reader" / "data" / "postmaster.pid"
    _, _, rest = lock_file.read_text().partition("\n")
    lock_file.write_text(f"{engines.component('kafka')['pid']}\n{rest}")
    engines.up(*ENGINES)
    word = remember(engines)
    wait_for("the reader knows it", lambda: reader_knows(engines, word))


def test_an_engine_that_hangs_is_unhealthy(engines: Platform) -> None:
    process = psutil.Process(engines.component("redis")["pid"])
    process.send_signal(signal.SIGSTOP)
    try:
        assert engines.component("redis")["state"] == "unhealthy"
    finally:
        process.send_signal(signal.SIGCONT)
    assert engines.component("redis")["state"] == "running"


def test_down_leaves_no_process_and_up_finds_the_state_again(engines: Platform) -> None:
    word = remember(engines)
    wait_for("the reader knows it", lambda: reader_knows(engines, word))
    engines.down()
    assert engines.processes() == []
    assert is_free(int(engines.address("kafka").rpartition(":")[2]))
    assert engines.down().returncode == 0, "a second down is harmless"
    engines.up(*ENGINES)
    assert reader_knows(engines, word)
