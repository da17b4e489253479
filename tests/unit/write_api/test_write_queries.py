"""Named SQL of write_api: each statement is used, and the ones that change something are guarded."""

import re
from pathlib import Path

import pytest

from service_kit.named_sql import parse_queries

ROOT = Path(__file__).parents[3] / "write_api"
FILES = sorted(ROOT.rglob("queries.sql"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_statement_is_left_over(path: Path) -> None:
    code = "\n".join(source.read_text("utf-8") for source in path.parent.glob("*.py"))
    unused = [name for name in parse_queries(path.read_text("utf-8")) if f'"{name}"' not in code]
    assert unused == []


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_statement_updates_or_deletes_without_a_condition(path: Path) -> None:
    for name, statement in parse_queries(path.read_text("utf-8")).items():
        if (
            re.search(r"\bUPDATE \w+\b.*\bSET\b|\bDELETE FROM\b", statement)
            and "ON CONFLICT" not in statement
        ):
            assert "WHERE" in statement, name
