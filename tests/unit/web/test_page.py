"""The start page keeps its promises: all its own, nothing inline, names of events never taken for markup."""

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from cli.demo_events.texts import CATEGORIES

WEB = Path(__file__).parents[3] / "web"
SCRIPT = (WEB / "app.js").read_text(encoding="utf-8")
STYLE = (WEB / "style.css").read_text(encoding="utf-8")


class Page(HTMLParser):
    """All elements of the page with their attributes, and the text inside script and style elements."""

    def __init__(self, name: str = "index.html") -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.inline = ""
        self._inside = ""
        self.feed((WEB / name).read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self._inside = tag

    def handle_endtag(self, tag: str) -> None:
        self._inside = ""

    def handle_data(self, data: str) -> None:
        if self._inside in {"script", "style"}:
            self.inline += data.strip()

    def values(self, attribute: str) -> list[str]:
        return [value for _, attributes in self.elements if (value := attributes.get(attribute)) is not None]


PAGE = Page()


def test_nothing_is_inline_so_that_a_strict_policy_holds() -> None:
    assert not PAGE.inline
    assert not [name for _, attributes in PAGE.elements for name in attributes if name.startswith("on")]
    assert not PAGE.values("style")


def test_every_address_is_our_own() -> None:
    addresses = PAGE.values("href") + PAGE.values("src") + re.findall(r"url\(([^)]*)\)", STYLE)
    assert addresses
    assert not [address for address in addresses if re.match(r"\s*([a-z]+:|//)", address, re.IGNORECASE)]
    assert "@import" not in STYLE
    assert set(re.findall(r'fetch\("([^"]*)"', SCRIPT)) == {"/api/v1/search/events"}


def test_every_file_that_the_page_names_is_there() -> None:
    named = [
        value for value in PAGE.values("href") + PAGE.values("src") if re.fullmatch(r"[\w-]+\.\w+", value)
    ]
    assert {"app.js", "style.css", "favicon.svg"} <= set(named)
    assert all((WEB / name).is_file() for name in named)


@pytest.mark.parametrize(
    "sink", ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "Function(", ".style"]
)
def test_the_script_never_makes_markup_or_code_of_text(sink: str) -> None:
    assert sink not in SCRIPT


def test_the_script_asks_for_elements_that_the_page_has() -> None:
    ids = PAGE.values("id")
    assert len(ids) == len(set(ids))
    assert set(re.findall(r'byId\("([^"]+)"\)', SCRIPT)) <= set(ids)
    classes = {name for value in PAGE.values("class") for name in value.split()}
    assert set(re.findall(r'(?:put|querySelector)\("\.([a-z-]+)"', SCRIPT)) <= classes


def test_every_fragment_and_reference_has_its_target() -> None:
    ids = set(PAGE.values("id"))
    targets = [value[1:] for value in PAGE.values("href") if value.startswith("#")]
    for attribute in ("for", "aria-controls", "aria-describedby", "aria-labelledby", "form"):
        targets += PAGE.values(attribute)
    assert set(targets) <= ids


def test_the_page_offers_the_kinds_of_event_that_the_demo_makes() -> None:
    offered = {
        attributes.get("value") for tag, attributes in PAGE.elements if attributes.get("name") == "category"
    }
    assert offered == {"", *CATEGORIES}


def _channels(colour: str) -> list[float]:
    full = "".join(2 * digit for digit in colour) if len(colour) == 3 else colour
    values = [int(full[place : place + 2], 16) / 255 for place in (0, 2, 4)]
    return [value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in values]


def contrast(one: str, other: str) -> float:
    """The contrast ratio of two colours, as WCAG 2.2 defines it."""
    lights = sorted(
        sum(
            weight * channel
            for weight, channel in zip((0.2126, 0.7152, 0.0722), _channels(colour), strict=True)
        )
        for colour in (one, other)
    )
    return (lights[1] + 0.05) / (lights[0] + 0.05)


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("text", ["ink", "muted", "accent", "good"])
@pytest.mark.parametrize("ground", ["paper", "card", "tint"])
def test_text_can_be_read_on_its_ground(theme: str, text: str, ground: str) -> None:
    blocks = re.findall(r":root \{(.*?)\}", STYLE, re.DOTALL)
    light = dict(re.findall(r"--([a-z-]+): #([0-9a-f]+);", blocks[0]))
    colours = (
        light if theme == "light" else light | dict(re.findall(r"--([a-z-]+): #([0-9a-f]+);", blocks[1]))
    )
    assert contrast(colours[text], colours[ground]) >= 4.5


def test_contrast_is_measured_as_the_standard_says() -> None:
    assert contrast("000", "fff") == pytest.approx(21)
    assert contrast("777777", "ffffff") == pytest.approx(4.48, abs=0.01)
