"""The page that links in mails lead to: all its own, nothing inline, nothing done before somebody says so."""

import re

import pytest

from tests.unit.web.test_page import WEB, Page

PAGE = Page("account.html")
SCRIPT = (WEB / "account.js").read_text(encoding="utf-8")


def test_nothing_is_inline_and_every_address_is_our_own() -> None:
    assert not PAGE.inline
    assert not PAGE.values("style")
    assert not [name for _, attributes in PAGE.elements for name in attributes if name.startswith("on")]
    addresses = PAGE.values("href") + PAGE.values("src")
    assert not [one for one in addresses if re.match(r"\s*([a-z]+:|//)", one, re.IGNORECASE)]
    assert all((WEB / one).is_file() for one in addresses if re.fullmatch(r"[\w-]+\.\w+", one))


def test_the_script_asks_for_elements_that_the_page_has() -> None:
    ids = PAGE.values("id")
    assert len(ids) == len(set(ids))
    forms = set(re.findall(r'"([a-z]+)"', SCRIPT.partition("FORMS = [")[2].partition("]")[0]))
    assert set(re.findall(r'byId\("([^"]+)"\)', SCRIPT)) | forms <= set(ids)


@pytest.mark.parametrize("sink", ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval("])
def test_the_script_never_makes_markup_or_code_of_text(sink: str) -> None:
    assert sink not in SCRIPT


def test_a_code_does_not_stay_in_the_address_and_nothing_is_sent_unasked() -> None:
    assert "history.replaceState" in SCRIPT
    assert SCRIPT.count("await send(") == 1, "in the handler of a form that somebody submits"
