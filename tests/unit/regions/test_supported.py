import subprocess
import sys
from pathlib import Path

import pytest

from regions.local import supported


def test_this_machine_is_supported_by_the_script_as_make_runs_it() -> None:
    done = subprocess.run(
        [sys.executable, "-I", str(Path(supported.__file__))],
        capture_output=True,
        text=True,
        timeout=10,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_the_script_shadows_no_module_of_the_standard_library() -> None:
    """It is run as a file, so its folder comes first on the module path."""
    names = {file.stem for file in Path(supported.__file__).parent.glob("*.py")}
    assert not names & set(sys.stdlib_module_names)


@pytest.mark.parametrize(
    ("target", "name", "value", "words"),
    [
        ("platform", "machine", lambda: "aarch64", "64-bit Linux"),
        ("sys", "platform", "darwin", "64-bit Linux"),
        ("sys", "version_info", (3, 10, 1), "Python 3.11 or later"),
        ("platform", "libc_ver", lambda: ("glibc", "2.28"), "glibc 2.31 or later is needed, this is 2.28"),
        ("platform", "libc_ver", lambda: ("", ""), "another C library"),
        ("os", "geteuid", lambda: 64_321, "add user id 64321"),
    ],
)
def test_an_unsupported_system_is_told_so_and_what_to_do(
    monkeypatch: pytest.MonkeyPatch, target: str, name: str, value: object, words: str
) -> None:
    monkeypatch.setattr(getattr(supported, target), name, value)
    (problem,) = supported.problems()
    assert words in problem


def test_too_little_memory_is_told_and_can_be_accepted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supported, "ONE_REGION_BYTES", 10**15)
    (problem,) = supported.problems()
    assert "FRONTROW_LOW_MEMORY=accept" in problem
    monkeypatch.setenv("FRONTROW_LOW_MEMORY", "accept")
    assert supported.problems() == []


def test_who_has_memory_for_one_region_is_told_to_start_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supported, "FURTHER_REGION_BYTES", 10**15)
    assert supported.memory_problem(1) == ""
    assert "REGIONS=eu make up" in supported.memory_problem(3)
    monkeypatch.setenv("REGIONS", "eu, us")
    assert [problem[:14] for problem in supported.problems()] == ["2 regions need"]
    monkeypatch.setenv("REGIONS", "eu")
    assert supported.problems() == []


def test_a_missing_venv_module_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ensurepip", None)
    (problem,) = supported.problems()
    assert "python3-venv" in problem
