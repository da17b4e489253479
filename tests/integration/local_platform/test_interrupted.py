"""Starts that fail, are interrupted, or are killed: nothing is left behind, and the next one works."""

import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.conftest import CHECKOUT, Platform
from tests.people import wait_for


def begin_up(platform: Platform, *components: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "cli", "up", "--no-demo", "--only", ",".join(components)],
        env=platform.environment,
        cwd=CHECKOUT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def log_of(platform: Platform, component: str) -> Path:
    return platform.home / "logs" / f"eu.{component}.log"


def no_process_is_left(platform: Platform) -> bool:
    return platform.processes() == []


@pytest.mark.parametrize("which", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_up_stops_all_that_it_started(untouched: Platform, which: signal.Signals) -> None:
    with begin_up(untouched, "connect", "elasticsearch", "reader") as starting:
        wait_for("engines are starting", lambda: len(untouched.processes()) > 4)
        starting.send_signal(which)
        output, _ = starting.communicate(timeout=60)
    assert starting.returncode == 130, output
    assert "Interrupted" in output
    assert "Traceback" not in output
    wait_for("no process is left", lambda: no_process_is_left(untouched))


def test_an_up_that_was_killed_halfway_is_repaired_by_the_next(untouched: Platform) -> None:
    with begin_up(untouched, "reader", "redis") as starting:
        wait_for(
            "the data folder is being made",
            (untouched.home / "eu" / "main" / "data.unfinished").exists,
        )
        starting.kill()
    untouched.up("reader", "redis")
    assert untouched.component("reader")["state"] == "running"
    untouched.down()
    assert untouched.processes() == []


def test_a_component_that_fails_shows_its_log_and_nothing_stays(untouched: Platform) -> None:
    untouched.up("redis")
    untouched.down()
    redis = untouched.home / "eu" / "redis"
    redis.rename(untouched.home / "eu" / "elsewhere")
    redis.mkdir()
    (redis / "redis.conf").mkdir()  # the configuration cannot be written
    broken_main = untouched.home / "eu" / "main" / "data"
    broken_main.mkdir(parents=True)
    (broken_main / "PG_VERSION").write_text("nonsense")
    done = untouched.up("main", "kafka", check=False)
    assert done.returncode == 1
    assert "main failed: " in done.stdout
    assert "The last " in done.stdout
    assert "postgres" in done.stdout.lower()
    assert "frontrow logs main" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr
    assert untouched.processes() == []


def test_a_port_clash_is_named_before_anything_starts(untouched: Platform) -> None:
    host, _, port = untouched.address("kafka").rpartition(":")
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind((host, int(port)))
        taken.listen()
        done = untouched.up("kafka", "redis", check=False)
    assert done.returncode == 1
    assert f"kafka needs {host}:{port}, which is taken by process " in done.stdout
    assert "Nothing was started" in done.stdout
    assert not log_of(untouched, "redis").exists()


def test_two_commands_at_once_exclude_each_other(untouched: Platform) -> None:
    with begin_up(untouched, "reader") as starting:
        wait_for("it has begun", (untouched.home / "eu" / "main").exists)
        began = time.monotonic()
        second = untouched.command("down", check=False)
        assert time.monotonic() - began < 10
        starting.communicate(timeout=60)
    assert second.returncode == 1
    assert f"(pid {starting.pid}) is starting or stopping this platform" in second.stdout
    assert untouched.component("reader")["state"] == "running"


def test_an_unknown_component_is_refused_with_the_known_ones(untouched: Platform) -> None:
    done = untouched.up("mysql", check=False)
    assert done.returncode == 1
    assert "there is no component 'mysql'; known: main, reader" in done.stdout
