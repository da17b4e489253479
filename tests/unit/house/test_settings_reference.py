"""`docs/settings.md` names every setting of everything of ours, and nothing that is none."""

import re
from pathlib import Path

from pydantic_settings import BaseSettings

from indexer.settings import IndexerSettings
from mini_auth.settings import MiniAuthSettings
from read_api.settings import ReadApiSettings
from regions.local.settings import LocalSettings
from write_api.settings import WriteApiSettings

REFERENCE = Path(__file__).parents[3] / "docs/settings.md"
READERS: tuple[type[BaseSettings], ...] = (
    WriteApiSettings,
    ReadApiSettings,
    IndexerSettings,
    MiniAuthSettings,
    LocalSettings,
)


def test_the_reference_is_complete_and_true() -> None:
    settings = {
        (str(field.validation_alias or f"FRONTROW_{name.upper()}"), field.description)
        for reader in READERS
        for name, field in reader.model_fields.items()
    }
    row = re.compile(r"^\| `(\w+)` \| [^|]+ \| [^|]+ \| (.+?) \|$", re.MULTILINE)
    assert set(row.findall(REFERENCE.read_text("utf-8"))) == settings
