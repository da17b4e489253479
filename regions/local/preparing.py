"""Prepares this machine, and tells the person what it takes before it takes it."""

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn, TransferSpeedColumn

from regions.local.download import download_all
from regions.local.preparation import Preparation, only_one_prepares

_ASSUMED_BYTES_PER_SECOND = 5_000_000
"""A common home connection (40 Mbit/s), for the rough time that is said before a download."""


def prepare_machine(preparation: Preparation, cache: str, repository: str, console: Console) -> None:
    """Download and unpack what is missing; does nothing, quickly, when all is there.

    Raises ArtifactError when something cannot be had.
    """
    if not list(preparation.steps()):
        return
    with only_one_prepares(
        preparation.cache, lambda: console.print("Another command is preparing the engines; waiting for it.")
    ):
        _download(preparation, cache, repository, console)
        for name, make in preparation.steps():
            console.print(f"Preparing {name}", highlight=False)
            make()


def _download(preparation: Preparation, cache: str, repository: str, console: Console) -> None:
    missing = preparation.missing_downloads()
    if not missing:
        return
    total_bytes = sum(artifact.size_bytes for artifact in missing)
    files = "1 file" if len(missing) == 1 else f"{len(missing)} files"
    console.print(
        f"Downloading {files}, {total_bytes / 1e6:.0f} MB, from {repository} and PyPI into {cache}: "
        f"about {max(10, total_bytes / _ASSUMED_BYTES_PER_SECOND):.0f} s at 40 Mbit/s. This happens once.",
        highlight=False,
        soft_wrap=True,
    )
    columns = (BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task("download", total=total_bytes)
        download_all(missing, preparation.downloads, repository, lambda count: bar.advance(task, count))
