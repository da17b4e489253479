from pathlib import Path

from contracts.names import CHANGES_TOPIC, PUBLICATION
from indexer.connector import connector_config

REFERENCE = "${file:/run/secrets/capture.properties:password}"
CONFIG = connector_config("postgresql://frontrow_capture:s%2Fcret@127.0.0.1:21010/frontrow", REFERENCE)


def test_the_configuration_names_where_the_password_is_and_does_not_hold_it() -> None:
    assert CONFIG["database.password"] == REFERENCE
    assert not any("cret@" in value or value == "s/cret" for value in CONFIG.values())
    assert (CONFIG["database.hostname"], CONFIG["database.port"]) == ("127.0.0.1", "21010")


def test_the_connector_captures_exactly_the_published_tables() -> None:
    migrations = Path(__file__).parents[3] / "write_api/migrations"
    text = "".join(path.read_text() for path in sorted(migrations.glob("*.sql")))
    published = (
        text.split(f"CREATE PUBLICATION {PUBLICATION}", 1)[1].split("FOR TABLE", 1)[1].split(";", 1)[0]
    )
    tables = {f"public.{name.strip()}" for name in published.split(",")}
    assert set(CONFIG["table.include.list"].split(",")) == tables


def test_all_tables_go_to_one_topic_and_nothing_is_snapshot_or_made_by_debezium() -> None:
    assert CONFIG["transforms.route.topic.replacement"] == CHANGES_TOPIC
    assert CONFIG["snapshot.mode"] == "no_data"
    assert CONFIG["publication.autocreate.mode"] == "disabled"
