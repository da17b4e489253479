"""Downloads pinned artefacts: few connections, bounded retries, nothing kept that is not the right bytes."""

import ssl
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx

from regions.local.artifacts import Artifact, ArtifactError, fault_of

CONNECTIONS = 4
TRIES = 4
_TIMEOUT = httpx.Timeout(30.0, connect=10.0)
_FIRST_PAUSE_SECONDS = 0.5

Advance = Callable[[int], None]
"""Called with the number of bytes that arrived (negative when bytes are thrown away)."""


def download_all(
    artifacts: Sequence[Artifact],
    folder: Path,
    repository: str,
    advance: Advance,
    first_pause_seconds: float = _FIRST_PAUSE_SECONDS,
) -> None:
    """Bring every artefact into `folder`, under its file name.

    Each file appears whole or not at all. Raises ArtifactError for the first that cannot be had.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (
        httpx.Client(timeout=_TIMEOUT, verify=_trusted_authorities(), follow_redirects=True) as client,
        ThreadPoolExecutor(CONNECTIONS) as pool,
    ):
        waiting = [
            pool.submit(
                _download,
                client,
                artifact.address(repository),
                artifact,
                folder / artifact.file_name,
                advance=advance,
                pause_seconds=first_pause_seconds,
            )
            for artifact in artifacts
        ]
        try:
            for one in waiting:
                one.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _trusted_authorities() -> ssl.SSLContext:
    """Trust what the machine trusts (a company's own authority too), and the usual public authorities."""
    context = httpx.create_ssl_context()
    context.load_default_certs()
    return context


def _download(
    client: httpx.Client,
    address: str,
    artifact: Artifact,
    file: Path,
    *,
    advance: Advance,
    pause_seconds: float,
) -> None:
    partial = file.with_name(f"{file.name}.partial")
    fault = ""
    for attempt in range(TRIES):
        if attempt:
            time.sleep(pause_seconds * 2 ** (attempt - 1))
        try:
            _stream(client, address, artifact, partial, advance)
            fault = fault_of(artifact, partial) or ""
        except (httpx.HTTPError, OSError) as error:
            fault = f"{type(error).__name__}: {error}"
        if not fault:
            partial.replace(file)
            return
        if partial.exists():
            advance(-min(partial.stat().st_size, artifact.size_bytes))
            partial.unlink()
    raise ArtifactError(
        f"{artifact.file_name} could not be downloaded in {TRIES} tries from {address}: {fault}. "
        "Check the connection (or FRONTROW_MAVEN) and run the command again; what has arrived is kept."
    )


def _stream(client: httpx.Client, address: str, artifact: Artifact, partial: Path, advance: Advance) -> None:
    received_bytes = 0
    with (
        client.stream("GET", address, headers={"accept-encoding": "identity"}) as response,
        partial.open("wb") as file,
    ):
        response.raise_for_status()
        for chunk in response.iter_bytes(1 << 16):
            received_bytes += len(chunk)
            if received_bytes > artifact.size_bytes:  # never fill the disk with something else
                raise httpx.ReadError(f"more than {artifact.size_bytes} bytes arrived")
            file.write(chunk)
            advance(len(chunk))
