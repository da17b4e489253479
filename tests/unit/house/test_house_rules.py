"""The rules of the house that a machine can hold us to."""

import ast
import re
import tomllib
from pathlib import Path

import pytest

from contracts import names
from service_kit.named_sql import parse_queries

ROOT = Path(__file__).parents[3]
PACKAGES = (
    "cli",
    "contracts",
    "fakes",
    "indexer",
    "mini_auth",
    "read_api",
    "regions",
    "service_kit",
    "write_api",
)
SOURCES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
QUERIES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("queries.sql"))
ROUTES = [path for path in SOURCES if "Depends(" in path.read_text(encoding="utf-8")]
MAX_FILE_LINES = 400


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", SOURCES, ids=named)
def test_a_file_is_short_enough_to_be_read_in_one_sitting(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= MAX_FILE_LINES


@pytest.mark.parametrize("path", SOURCES, ids=named)
def test_a_file_has_a_name_that_says_what_it_is_for(path: Path) -> None:
    assert not {"utils", "helpers", "common", "base", "manager", "misc"} & set(path.with_suffix("").parts)


@pytest.mark.parametrize("path", QUERIES, ids=named)
def test_each_query_has_a_name_and_a_sentence(path: Path) -> None:
    assert parse_queries(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("path", ROUTES, ids=named)
def test_nothing_of_a_route_runs_in_a_thread(path: Path) -> None:
    """FastAPI runs a plain function in a pool of threads, which costs more than what ours do in there."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    plain = {one.name: one for one in tree.body if isinstance(one, ast.FunctionDef)}
    depended_on = {
        argument.id
        for call in ast.walk(tree)
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == "Depends"
        for argument in call.args
        if isinstance(argument, ast.Name)
    }
    routes = {name for name, function in plain.items() if function.decorator_list}
    assert not (depended_on & plain.keys()) | routes


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_is_shipped_checked_and_kept_apart(package: str) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]
    assert package in project["hatch"]["build"]["targets"]["wheel"]["packages"]
    assert package in project["mypy"]["packages"]
    assert package in project["importlinter"]["root_packages"]


def test_names_in_sql_are_the_agreed_ones() -> None:
    migrations = "\n".join(path.read_text("utf-8") for path in (ROOT / "write_api/migrations").glob("*.sql"))
    assert f"CREATE PUBLICATION {names.PUBLICATION}" in migrations
    roles = {names.OWNER_ROLE, names.WRITE_ROLE, names.READ_ROLE, names.CAPTURE_ROLE, names.REPLICATION_ROLE}
    granted = set(re.findall(r"\bfrontrow_[a-z]+\b", migrations)) - {names.PUBLICATION}
    assert granted <= roles
    bootstrap = (ROOT / "regions/bootstrap.sql").read_text("utf-8")
    assert all(role in bootstrap for role in roles)


def test_each_decision_has_a_number_of_its_own_and_its_three_parts() -> None:
    records = sorted((ROOT / "docs/decisions").glob("*.md"))
    numbers = [record.name[:4] for record in records]
    assert len(numbers) == len(set(numbers))
    for record in records:
        text = record.read_text("utf-8")
        assert all(part in text for part in ("Context", "Decision", "Consequence")), record.name
