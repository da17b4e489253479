"""Migrations are numbered, in order, and named for when they run."""

from pathlib import Path

import pytest

from write_api.migrate import MigrationError, main, read_migrations


def folder_with(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).write_text("SELECT 1", encoding="utf-8")
    return folder


def test_ours_are_in_order() -> None:
    names = [migration.file_name for migration in read_migrations()]
    assert names
    assert names == sorted(names)


@pytest.mark.parametrize(
    "names",
    [
        ("0001_pre_a.sql", "0003_pre_b.sql"),
        ("0001_pre_a.sql", "0001_post_b.sql"),
        ("0002_pre_a.sql",),
        ("1_pre_a.sql",),
        ("0001_a.sql",),
        ("0001_during_a.sql",),
    ],
)
def test_gaps_duplicates_and_other_names_are_refused(tmp_path: Path, names: tuple[str, ...]) -> None:
    with pytest.raises(MigrationError):
        read_migrations(folder_with(tmp_path, *names))


def test_the_phase_is_in_the_name(tmp_path: Path) -> None:
    migrations = read_migrations(folder_with(tmp_path, "0001_pre_a.sql", "0002_post_b.sql"))
    assert [migration.phase for migration in migrations] == ["pre", "post"]


def test_without_a_database_the_command_says_what_is_missing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("FRONTROW_OWNER_DATABASE", raising=False)
    assert main([]) == 1
    assert "FRONTROW_OWNER_DATABASE" in capsys.readouterr().err
