import json
import stat
from pathlib import Path

import pytest

from regions.local.account import Account
from regions.local.assembly import open_platform
from regions.local.bootstrap import BOOTSTRAP_FILE
from regions.local.credentials import ROLES, create_credentials, load_credentials
from regions.local.layout import Layout, LayoutError, choose_layout
from regions.local.settings import LocalSettings
from service_kit.named_sql import parse_queries

STRANGER = Account(name="stranger", user_id=64_000, group_id=64_000, is_other=True)


def test_credentials_are_made_once_and_only_their_owner_can_read_them(tmp_path: Path) -> None:
    file = tmp_path / "secrets.json"
    create_credentials(file)
    first = load_credentials(file)
    create_credentials(file)
    second = load_credentials(file)
    assert first.passwords == second.passwords
    assert first.key_sealing_key == second.key_sealing_key
    assert first.consistency_key == second.consistency_key
    assert first.link_key == second.link_key
    assert len({first.key_sealing_key, first.consistency_key, first.link_key}) == 3
    assert set(first.passwords) == set(ROLES)
    assert len(set(first.passwords.values())) == len(ROLES)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


@pytest.mark.parametrize("lacking", ["consistency_key", "link_key"])
def test_a_platform_of_before_gets_the_key_that_it_lacks_and_keeps_what_it_has(
    tmp_path: Path, lacking: str
) -> None:
    file = tmp_path / "secrets.json"
    create_credentials(file)
    document = json.loads(file.read_text(encoding="utf-8"))
    del document[lacking]
    file.write_text(json.dumps(document), encoding="utf-8")
    create_credentials(file)
    complete = json.loads(file.read_text(encoding="utf-8"))
    assert complete.pop(lacking)
    assert complete == document


def test_credentials_do_not_show_themselves(tmp_path: Path) -> None:
    create_credentials(tmp_path / "secrets.json")
    found = load_credentials(tmp_path / "secrets.json")
    shown = f"{found!r} {found}"
    assert not any(password in shown for password in found.passwords.values())


def test_a_folder_that_the_engines_cannot_enter_is_refused_with_what_to_set(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    with pytest.raises(LayoutError, match=r"user stranger.*cannot enter .*set FRONTROW_HOME"):
        choose_layout(closed / "home", Path("/var/cache/frontrow"), STRANGER)


def test_every_role_gets_its_password_at_the_bootstrap() -> None:
    statements = " ".join(parse_queries(BOOTSTRAP_FILE.read_text(encoding="utf-8")).values())
    for role in set(ROLES) - {"postgres"}:
        assert f"PASSWORD {{{role}}}" in statements


def test_regions_are_named_separated_by_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REGIONS", "eu, us")
    assert LocalSettings().regions == ("eu", "us")
    monkeypatch.delenv("REGIONS")
    assert LocalSettings().regions == ("eu", "us", "ap")


@pytest.mark.parametrize(
    ("last", "named", "expected"),
    [
        (None, None, ("eu", "us", "ap")),
        ("eu", None, ("eu",)),
        ("eu", "eu,us", ("eu", "us")),
        ("eu,us,ap", "eu", ("eu",)),
    ],
)
def test_without_a_word_a_platform_keeps_its_regions_and_a_new_one_has_three(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    last: str | None,
    named: str | None,
    expected: tuple[str, ...],
) -> None:
    home = tmp_path / "home"
    layout = Layout(home, tmp_path)
    monkeypatch.setattr("regions.local.assembly.choose_layout", lambda *_: layout)
    if named:
        monkeypatch.setenv("REGIONS", named)
    else:
        monkeypatch.delenv("REGIONS", raising=False)
    if last:
        home.mkdir()
        layout.regions_marker.write_text(last)
    assert open_platform().settings.regions == expected


def test_a_platform_from_before_there_were_several_regions_has_one(tmp_path: Path) -> None:
    layout = Layout(tmp_path, tmp_path)
    assert layout.last_regions() == ()
    layout.state("eu", "main").mkdir(parents=True)
    assert layout.last_regions() == ("eu",)
