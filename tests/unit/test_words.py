"""The pages' words: whole in both languages, each said once, none forgotten and none left over."""

import json
import re
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from events.views import NOTIFICATION_KINDS
from server.web.pages import PAGES

_STATIC = PAGES / "static"
_FILES = sorted((_STATIC / "words").glob("*.js"))

# CLDR's categories of whole numbers.
_FORMS = ({"one", "other"}, {"one", "few", "many", "other"})

# Node of every version takes a module from a data: address.
_PRINT = """
    let text = "";
    for await (const piece of process.stdin) text += piece;
    const { default: words } = await import("data:text/javascript," + encodeURIComponent(text));
    console.log(JSON.stringify(words));
"""


@cache
def words_of(file: Path) -> dict[str, Any]:
    """What a file of words exports."""
    text = file.read_text()
    printed = subprocess.run(
        ["node", "--input-type=module", "--eval", _PRINT],
        input=text,
        capture_output=True,
        text=True,
        check=True,
    )
    words: dict[str, Any] = json.loads(printed.stdout)
    # An object has a key once, however often it is written.
    assert len(words) == len(re.findall(r'^  "[^"]+": ', text, re.MULTILINE))
    return words


def all_words() -> dict[str, Any]:
    return {key: said for file in _FILES for key, said in words_of(file).items()}


def forms(said: Any) -> list[str]:
    return [said] if isinstance(said, str) else list(said.values())


def blanks(said: Any) -> set[str]:
    return {blank for form in forms(said) for blank in re.findall(r"\{(\w+)\}", form)}


@pytest.mark.parametrize("file", _FILES, ids=lambda file: file.stem)
def test_everything_is_said_in_both_languages_with_the_same_blanks(file: Path) -> None:
    for key, (english, russian) in words_of(file).items():
        for said, numbers in zip((english, russian), _FORMS, strict=True):
            assert all(form.strip() for form in forms(said)), key
            assert isinstance(said, str) or set(said) == numbers, key
        assert blanks(english) == blanks(russian), key
        assert not re.search("[а-яё]", "".join(forms(english)).replace("Русский", ""), re.I), key


def test_no_two_features_say_the_same_key() -> None:
    keys = [key for file in _FILES for key in words_of(file)]
    assert sorted(keys) == sorted(set(keys))


def test_every_file_of_words_is_merged() -> None:
    merged = re.findall(r'from "\./words/(\w+)\.js"', (_STATIC / "i18n.js").read_text())
    assert merged == [file.stem for file in _FILES]


def test_pages_say_what_there_is_and_all_of_it() -> None:
    scripts = [file for file in _STATIC.rglob("*.js") if file.parent.name != "words"]
    code = "\n".join(file.read_text() for file in scripts)
    literal = set(re.findall(r'"([\w.-]+)"', code))
    begun = set(re.findall(r"`([\w.-]+\.)\$\{", code))
    known = set(all_words())
    assert set(re.findall(r'\bt\("([^"]+)"', code)) <= known
    said = re.findall(r"\bt\(`([\w.-]+\.)\$\{", code)
    assert [start for start in said if not any(key.startswith(start) for key in known)] == []
    left = {key for key in known - literal if not key.startswith(tuple(begun))}
    assert left == set()


def test_every_kind_of_notification_has_a_sentence_and_a_name() -> None:
    wanted = {f"{what}.{kind}" for what in ("notice", "wanted") for kind in NOTIFICATION_KINDS}
    assert wanted <= set(all_words())
