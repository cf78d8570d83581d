"""docs/guarantees.md promises nothing that no test shows."""

import re
from pathlib import Path

TESTS = Path(__file__).parents[1]
PAGE = TESTS.parent / "docs" / "guarantees.md"
NAMED = re.compile(r"`([\w/]+\.py)::(test_\w+)`")


def promises() -> list[str]:
    """The rows of all tables but the one that compares."""
    promised = PAGE.read_text().partition("## Beside others")[0]
    rows = re.findall(r"^\|.*\|$", promised, re.MULTILINE)
    return [row for row in rows if "shown by" not in row and not set(row) <= set("|-")]


def test_every_promise_names_a_test() -> None:
    assert len(promises()) > 20
    assert [row for row in promises() if not NAMED.search(row)] == []


def test_every_test_that_is_named_exists() -> None:
    named = NAMED.findall(PAGE.read_text())
    missing = [
        f"{path}::{name}"
        for path, name in named
        if not (TESTS / path).is_file()
        or not re.search(rf"^(async )?def {name}\(", (TESTS / path).read_text(), re.MULTILINE)
    ]
    assert named and missing == []


def test_every_source_that_is_cited_is_listed_and_the_other_way_round() -> None:
    compared = PAGE.read_text().partition("## Beside others")[2]
    cited = set(re.findall(r"\[(\d)\]", compared))
    assert cited == set(re.findall(r"^(\d)\. <https://", compared, re.MULTILINE))
