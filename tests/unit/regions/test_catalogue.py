import copy
import tomllib
from typing import Any

import pytest

from regions.catalogue import (
    CATALOGUE_FILE,
    COMPONENTS,
    FIRST_EPHEMERAL_PORT,
    Address,
    CatalogueError,
    load_catalogue,
    parse_catalogue,
)


@pytest.fixture
def document() -> dict[str, Any]:
    return copy.deepcopy(tomllib.loads(CATALOGUE_FILE.read_text(encoding="utf-8")))


def test_the_catalogue_names_three_regions_with_every_component() -> None:
    catalogue = load_catalogue()
    assert set(catalogue.regions) == {"eu", "us", "ap"}
    assert catalogue.primary == "eu"
    assert catalogue.front_door == Address("127.0.0.1", 8080)
    for region in catalogue.regions.values():
        assert set(region.addresses) == set(COMPONENTS)
        assert all(address.port < FIRST_EPHEMERAL_PORT for address in region.addresses.values())


def test_a_port_offset_moves_every_port_and_nothing_else() -> None:
    catalogue = load_catalogue()
    moved = catalogue.shifted(3000)
    for (entry, before), (same_entry, after) in zip(catalogue.entries(), moved.entries(), strict=True):
        assert entry == same_entry
        assert (after.host, after.port) == (before.host, before.port + 3000)


def test_a_port_offset_that_reaches_ephemeral_ports_is_refused() -> None:
    with pytest.raises(CatalogueError, match=r"offset of 12000 moves .* outside"):
        load_catalogue().shifted(12000)


def test_an_unknown_region_or_component_is_named_with_the_known_ones() -> None:
    catalogue = load_catalogue()
    with pytest.raises(CatalogueError, match=r"no region 'moon'; known: eu, us, ap"):
        catalogue.address("moon", "main")
    with pytest.raises(CatalogueError, match=r"no component 'mysql'; known: main, "):
        catalogue.address("eu", "mysql")


@pytest.mark.parametrize(
    ("address", "fault"),
    [
        ("21000", "must be host:port"),
        ("127.0.0.1:", "must be host:port"),
        ("127.0.0.1:http", "must be host:port"),
        ("127.0.0.1:²", "must be host:port"),
        (21000, "must be host:port"),
        ("127.0.0.1:80", "must have a port from 1024"),
        ("127.0.0.1:32768", "must have a port from 1024 to 32767"),
    ],
)
def test_a_wrong_address_is_refused_by_its_entry(document: dict[str, Any], address: Any, fault: str) -> None:
    document["regions"]["eu"]["addresses"]["main"] = address
    with pytest.raises(CatalogueError, match=rf"regions\.eu\.addresses\.main {fault}"):
        parse_catalogue(document)


def test_two_components_cannot_share_an_address(document: dict[str, Any]) -> None:
    document["regions"]["us"]["addresses"]["redis"] = document["regions"]["eu"]["addresses"]["main"]
    with pytest.raises(
        CatalogueError, match=r"regions\.us\.addresses\.redis and regions\.eu\.addresses\.main both"
    ):
        parse_catalogue(document)


def test_a_missing_and_an_unknown_component_are_refused(document: dict[str, Any]) -> None:
    del document["regions"]["ap"]["addresses"]["kafka"]
    with pytest.raises(CatalogueError, match=r"regions\.ap\.addresses lacks kafka"):
        parse_catalogue(document)
    document["regions"]["ap"]["addresses"]["kafka"] = "127.0.0.1:23100"
    document["regions"]["ap"]["addresses"]["mysql"] = "127.0.0.1:23101"
    with pytest.raises(CatalogueError, match="unknown entries: mysql"):
        parse_catalogue(document)


@pytest.mark.parametrize(
    "neighbours", [[], ["us"], ["us", "us"], ["us", "eu"], ["us", "ap", "moon"], "us", [1, 2]]
)
def test_neighbours_are_all_other_regions_once(document: dict[str, Any], neighbours: Any) -> None:
    document["regions"]["eu"]["neighbours"] = neighbours
    with pytest.raises(CatalogueError, match=r"regions\.eu\.neighbours must"):
        parse_catalogue(document)


@pytest.mark.parametrize(("key", "value"), [("latitude", 91), ("longitude", -181), ("latitude", "north")])
def test_a_place_is_on_earth(document: dict[str, Any], key: str, value: Any) -> None:
    document["regions"]["eu"]["place"][key] = value
    with pytest.raises(CatalogueError, match=rf"regions\.eu\.place\.{key} must be a number of degrees"):
        parse_catalogue(document)


def test_the_primary_is_one_of_the_regions(document: dict[str, Any]) -> None:
    document["primary"] = "moon"
    with pytest.raises(CatalogueError, match="primary must be one of eu, us, ap"):
        parse_catalogue(document)


def test_each_region_reaches_the_writer_and_the_main_of_each_other_by_a_lane_of_its_own() -> None:
    catalogue = load_catalogue()
    lanes = catalogue.lanes(("eu", "us", "ap"))
    assert len(lanes) == len({lane.listen for lane in lanes}) == 12
    for lane in lanes:
        assert lane.leads_to == catalogue.address(lane.target, lane.component)
        assert catalogue.reach(lane.source, lane.target, lane.component) == lane.listen
    assert catalogue.reach("eu", "eu", "main") == catalogue.address("eu", "main")
    assert {(lane.source, lane.target) for lane in catalogue.lanes(("eu", "us"))} == {
        ("eu", "us"),
        ("us", "eu"),
    }


def test_a_region_cannot_reach_what_is_not_meant_to_cross() -> None:
    with pytest.raises(CatalogueError, match="us has no lane to reader of 'eu'"):
        load_catalogue().reach("us", "eu", "reader")


def test_a_missing_lane_is_refused(document: dict[str, Any]) -> None:
    del document["regions"]["us"]["reaches"]["ap"]
    with pytest.raises(CatalogueError, match=r"regions\.us\.reaches lacks ap"):
        parse_catalogue(document)


def test_no_region_takes_the_name_of_what_belongs_to_none(document: dict[str, Any]) -> None:
    document["regions"]["global"] = document["regions"].pop("ap")
    with pytest.raises(CatalogueError, match="belongs to no region"):
        parse_catalogue(document)


def test_people_try_their_own_region_first_and_then_its_neighbours_that_run() -> None:
    catalogue = load_catalogue()
    assert catalogue.nearest_first("ap", ("eu", "us", "ap")) == ["ap", "eu", "us"]
    assert catalogue.nearest_first("ap", ("us", "ap")) == ["ap", "us"]
