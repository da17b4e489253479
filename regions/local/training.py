"""Makes the class-data archives of the Java engines before the first platform starts.

An archive is written when a Java program ends in good order, and holds the classes that it used. So Kafka,
Connect and Elasticsearch (of which only the launcher can have one) are started once, on ports that nobody
uses, and stopped; every later start of the first two takes half the time.
"""

import random
import shutil

from rich.console import Console

from regions.catalogue import Catalogue, CatalogueError, load_catalogue
from regions.local.assembly import Platform, open_platform
from regions.local.boot import Boot, stop_components
from regions.local.credentials import create_credentials
from regions.local.ports import is_free
from regions.local.preparation import only_one_prepares
from regions.local.reporting import Progress

TRAINED = ("kafka", "connect", "elasticsearch")
_OFFSETS = range(3000, 9000)
_TRIES = 100


def train_class_archives(platform: Platform, console: Console) -> None:
    """Make the archives unless that was tried before. Without them the platform starts slower, not worse."""
    marker = platform.preparation().toolchain().class_archives / "trained"
    if marker.exists():
        return
    with only_one_prepares(platform.layout.cache, lambda: None):
        if marker.exists():
            return
        console.print("Preparing class-data archives: the Java engines start and stop once, about 15 s")
        platform.preparation().make_class_archives()
        _start_and_stop(platform)
        marker.touch()


def _start_and_stop(platform: Platform) -> None:
    home = platform.layout.cache / "training"
    region = platform.settings.regions[0]  # one is enough: all regions run the same programs
    changes = {"home": home, "port_offset": _free_port_offset(region), "regions": (region,)}
    training = open_platform(platform.settings.model_copy(update=changes))
    training.layout.make_folders()
    create_credentials(training.layout.secrets)
    components = [one for one in training.components() if one.name in TRAINED]
    silent = Progress(Console(quiet=True), show_region=False)
    try:
        stop_components(components, silent)  # of a training that was killed
        Boot(components, silent).run()
        stop_components(components, silent)
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _free_port_offset(region: str) -> int:
    for offset in random.sample(_OFFSETS, _TRIES):
        try:
            catalogue = load_catalogue().shifted(offset)
        except CatalogueError:
            continue
        if _all_free(catalogue, region):
            return offset
    raise CatalogueError(f"no port offset from {_OFFSETS.start} to {_OFFSETS.stop} has all of its ports free")


def _all_free(catalogue: Catalogue, region: str) -> bool:
    return all(is_free(address) for address in catalogue.region(region).addresses.values())
