"""The pinned artefacts: which they are, and whether a file on disk is one of them."""

import hashlib
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ARTIFACTS_FILE = Path(__file__).with_name("artifacts.toml")
_CHUNK_BYTES = 1 << 20


class ArtifactError(Exception):
    """An artefact is wrong or cannot be had; the message names it and says what to do."""


@dataclass(frozen=True)
class Artifact:
    """One file to download: its path below Maven Central (or a whole address), and what its bytes must be."""

    path: str
    sha256: str
    size_bytes: int

    @property
    def file_name(self) -> str:
        """The last part of the path."""
        return self.path.rpartition("/")[2]

    def address(self, repository: str) -> str:
        """Where to fetch it, given the base address of a Maven repository."""
        return self.path if self.path.startswith("https://") else f"{repository.rstrip('/')}/{self.path}"


@dataclass(frozen=True)
class Artifacts:
    """Every pinned artefact, by engine."""

    versions: Mapping[str, str]
    elasticsearch: Artifact
    debezium: Artifact
    redis: Artifact
    kafka: tuple[Artifact, ...]

    def all(self) -> tuple[Artifact, ...]:
        """Return every artefact, the largest first, so that a parallel download ends early."""
        return tuple(
            sorted(
                (self.elasticsearch, self.debezium, self.redis, *self.kafka),
                key=lambda one: one.size_bytes,
                reverse=True,
            )
        )


def load_artifacts(path: Path = ARTIFACTS_FILE) -> Artifacts:
    """Read the list of artefacts; raises ArtifactError if it is malformed."""
    document = tomllib.loads(path.read_text(encoding="utf-8"))
    try:
        return Artifacts(
            versions={name: str(version) for name, version in document["versions"].items()},
            elasticsearch=_parse(document["elasticsearch"][0]),
            debezium=_parse(document["debezium"][0]),
            redis=_parse(document["redis"][0]),
            kafka=tuple(_parse(table) for table in document["kafka"]),
        )
    except (KeyError, IndexError, TypeError) as error:
        raise ArtifactError(f"{path} is malformed: {error!r}") from error


def _parse(table: Mapping[str, Any]) -> Artifact:
    return Artifact(path=table["path"], sha256=table["sha256"], size_bytes=int(table["size_bytes"]))


def fault_of(artifact: Artifact, file: Path) -> str | None:
    """Say what is wrong with a downloaded file, or None when it is exactly the artefact."""
    size_bytes = file.stat().st_size
    if size_bytes != artifact.size_bytes:
        return f"{size_bytes} bytes arrived instead of {artifact.size_bytes}"
    digest = hashlib.sha256()
    with file.open("rb") as stream:
        while chunk := stream.read(_CHUNK_BYTES):
            digest.update(chunk)
    if digest.hexdigest() != artifact.sha256:
        return f"sha256 is {digest.hexdigest()} instead of {artifact.sha256}"
    return None
