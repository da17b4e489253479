from pathlib import Path
from typing import Any

import pytest

from regions.local import component
from regions.local.engines.envoy import Envoy, note_the_unusual
from tests.unit.regions.local_components import Sleeper
from tests.unit.regions.test_gateway_configuration import balancer, configuration, validate


class NotingEnvoy(Sleeper):
    """What writes Envoy's configuration, without an Envoy."""

    prepare = Envoy.prepare  # type: ignore[assignment]
    configuration_file = Envoy.configuration_file
    access_log = Envoy.access_log

    def configuration(self) -> dict[str, Any]:
        return configuration()


@pytest.mark.parametrize("document", [configuration(), balancer()], ids=["gateway", "balancer"])
def test_only_what_failed_or_was_slow_is_noted(document: dict[str, Any], tmp_path: Path) -> None:
    changed = note_the_unusual(document)
    manager = changed["static_resources"]["listeners"][0]["filter_chains"][0]["filters"][0]["typed_config"]
    (log,) = manager["access_log"]
    either = {next(iter(one)): next(iter(one.values())) for one in log["filter"]["or_filter"]["filters"]}
    limits = {name: one["comparison"]["value"]["default_value"] for name, one in either.items()}
    assert limits == {"status_code_filter": 400, "duration_filter": 1000}
    assert {one["comparison"]["op"] for one in either.values()} == {"GE"}
    done = validate(changed, tmp_path)
    assert done.returncode == 0, done.stderr[-2000:]


def test_a_large_access_log_moves_aside_at_the_next_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(component, "_LOG_LIMIT_BYTES", 3)
    gateway = NotingEnvoy(tmp_path, "gateway")
    log = Path(gateway.access_log)
    gateway.make_state_folder()
    for content in ("old and large", "new and large"):
        log.write_text(content)
        gateway.prepare(lambda *_: None)
        assert not log.exists()
        assert log.with_suffix(".log.1").read_text() == content
    log.write_text("new")
    gateway.prepare(lambda *_: None)
    assert log.read_text() == "new"
    assert "or_filter" in gateway.configuration_file.read_text()
