import hashlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from regions.local.artifacts import Artifact, ArtifactError, fault_of, load_artifacts
from regions.local.download import TRIES, download_all

GOOD = b"the right bytes " * 8192


@dataclass
class Repository:
    """A Maven repository on loopback: answers each path with given bodies in turn, then the last again."""

    url: str = ""
    answers: dict[str, list[tuple[int, bytes, int]]] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)

    def will_answer(
        self, path: str, *bodies: bytes, status: int = 200, claimed_bytes: int | None = None
    ) -> None:
        self.answers[path] = [
            (status, body, len(body) if claimed_bytes is None else claimed_bytes) for body in bodies
        ]


@pytest.fixture
def repository() -> Iterator[Repository]:
    found = Repository()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found.requests.append(self.path)
            answers = found.answers[self.path.removeprefix("/")]
            status, body, claimed_bytes = answers.pop(0) if len(answers) > 1 else answers[0]
            self.send_response(status)
            self.send_header("content-length", str(claimed_bytes))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments: object) -> None:
            """Tests print nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        found.url = f"http://127.0.0.1:{server.server_port}"
        yield found
        server.shutdown()
        thread.join()


def artifact(path: str = "org/thing/1/thing.jar", content: bytes = GOOD) -> Artifact:
    return Artifact(path, hashlib.sha256(content).hexdigest(), len(content))


def download(repository: Repository, folder: Path, *artifacts: Artifact) -> int:
    """Download, and return the bytes that the progress bar was told about."""
    counted: list[int] = []
    download_all(artifacts, folder, repository.url, counted.append, first_pause_seconds=0.001)
    return sum(counted)


def test_a_good_file_arrives_whole(repository: Repository, tmp_path: Path) -> None:
    wanted = artifact()
    repository.will_answer(wanted.path, GOOD)
    assert download(repository, tmp_path, wanted) == len(GOOD)
    assert (tmp_path / "thing.jar").read_bytes() == GOOD
    assert fault_of(wanted, tmp_path / "thing.jar") is None


@pytest.mark.parametrize(
    "broken",
    [GOOD[:-1], b"", GOOD[:-1] + b"?", GOOD + b"more", b"<html>log in to the hotel's network</html>"],
    ids=["truncated", "empty", "corrupt", "too long", "something else"],
)
def test_a_broken_download_is_fetched_again(repository: Repository, tmp_path: Path, broken: bytes) -> None:
    wanted = artifact()
    repository.will_answer(wanted.path, broken, broken, GOOD)
    assert download(repository, tmp_path, wanted) == len(GOOD), "the progress bar counts only what is kept"
    assert (tmp_path / "thing.jar").read_bytes() == GOOD
    assert len(repository.requests) == 3


def test_a_connection_that_breaks_halfway_is_tried_again(repository: Repository, tmp_path: Path) -> None:
    wanted = artifact()
    repository.will_answer(wanted.path, GOOD[:1000], claimed_bytes=len(GOOD))
    repository.answers[wanted.path].append((200, GOOD, len(GOOD)))
    assert download(repository, tmp_path, wanted) == len(GOOD)
    assert (tmp_path / "thing.jar").read_bytes() == GOOD


@pytest.mark.parametrize(
    ("status", "body", "reason"), [(200, GOOD[:-1] + b"?", "sha256 is"), (404, b"", "404")]
)
def test_what_stays_broken_is_a_clear_error_and_leaves_nothing(
    repository: Repository, tmp_path: Path, status: int, body: bytes, reason: str
) -> None:
    wanted = artifact()
    repository.will_answer(wanted.path, body, status=status)
    with pytest.raises(
        ArtifactError, match=rf"thing\.jar could not be downloaded in {TRIES} tries from http://.*{reason}"
    ):
        download(repository, tmp_path, wanted)
    assert len(repository.requests) == TRIES
    assert list(tmp_path.iterdir()) == []


def test_one_that_cannot_be_had_does_not_lose_the_others(repository: Repository, tmp_path: Path) -> None:
    good, bad = artifact("a/good.jar"), artifact("b/bad.jar")
    repository.will_answer(good.path, GOOD)
    repository.will_answer(bad.path, b"no")
    with pytest.raises(ArtifactError, match=r"bad\.jar"):
        download(repository, tmp_path, good, bad)
    assert [file.name for file in tmp_path.iterdir()] == ["good.jar"]


def test_every_pinned_artifact_has_a_whole_checksum_and_a_name_of_its_own() -> None:
    artifacts = load_artifacts().all()
    assert len({one.file_name for one in artifacts}) == len(artifacts) > 60
    for one in artifacts:
        assert len(bytes.fromhex(one.sha256)) == 32
        assert one.size_bytes > 0
        assert one.address("https://maven.example/").startswith("https://")
        assert not one.path.startswith("/")
