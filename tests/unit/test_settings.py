"""`.env.example` says exactly what the code reads, and a wrong setting is refused in words."""

import os
import re
import shlex
from pathlib import Path
from typing import Any

import pytest

from server import config
from server.config import Config, ConfigError

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / ".env.example"

REQUIRED = {
    "JWT_SECRET": "a-secret-of-at-least-thirty-two-bytes",
    "PAYMENT_SECRET": "another-secret-of-thirty-two-bytes",
}


class Recorder(dict[str, str]):
    """An environment that remembers what it was asked for."""

    def __init__(self, content: dict[str, str]) -> None:
        super().__init__(content)
        self.asked: set[str] = set()

    def __getitem__(self, name: str) -> str:
        self.asked.add(name)
        return super().__getitem__(name)

    def get(self, name: str, default: Any = None) -> Any:
        self.asked.add(name)
        return super().get(name, default)

    def __contains__(self, name: object) -> bool:
        self.asked.add(str(name))
        return super().__contains__(name)


def example() -> dict[str, str]:
    """The settings of `.env.example`, with the values that a shell would give them."""
    settings: dict[str, str] = {}
    for line in EXAMPLE.read_text().splitlines():
        if line and not line.startswith("#"):
            name, _, value = line.partition("=")
            assert name not in settings, f"{name} is there twice"
            # Nothing is quoted but what a shell would split.
            settings[name] = value if value.startswith("[") else "".join(shlex.split(value))
    return settings


def load(monkeypatch: pytest.MonkeyPatch, *, demo: bool = False, **settings: str) -> Config:
    monkeypatch.setattr(os, "environ", Recorder(settings))
    return config.load(demo=demo)


def read_by_the_code(monkeypatch: pytest.MonkeyPatch, folder: Path) -> set[str]:
    """Every name that loading asks for: bare or all set, for the server or for the demo."""
    asked: set[str] = set()
    everything = example() | REQUIRED
    for demo in (False, True):
        for settings in (REQUIRED, everything, everything | dict.fromkeys(REQUIRED, "")):
            environment = Recorder(settings | {"VAR_DIR": str(folder)})
            monkeypatch.setattr(os, "environ", environment)
            try:
                config.load(demo=demo)
            except ConfigError as error:
                assert "is not set" in str(error)
            asked |= environment.asked
    return asked


def test_every_setting_is_in_the_example_and_no_other(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert set(example()) == read_by_the_code(monkeypatch, tmp_path)


def test_nothing_else_reads_the_environment() -> None:
    reads = re.compile(r"os\.environ|getenv|\bEnv\(")
    readers = {
        str(path.relative_to(ROOT))
        for folder in ("server", "handlers", "events", "migrations")
        for path in (ROOT / folder).rglob("*.py")
        if reads.search(path.read_text())
    }
    # The embedded PostgreSQL is handed PATH and the like; those are no settings. Workers are
    # handed all that there is.
    handing_on = {"server/embedded_postgres/processes.py", "server/workers.py"}
    assert readers == {"server/config.py"} | handing_on


@pytest.mark.parametrize("name", sorted(example()))
def test_the_example_shows_the_default(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    shown = example()[name]
    if name in REQUIRED:
        assert shown == ""
        return
    by_default = load(monkeypatch, **REQUIRED)
    assert load(monkeypatch, **REQUIRED, **{name: shown}) == by_default
    if shown == "" and name != "PAYMENT_SECRET_PREVIOUS":
        # Or "no value" would hide a default that an empty value also stands for.
        assert getattr(by_default, name.lower()) in (None, ())


def test_previous_payment_secret_is_valid_beside_the_present_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    alone = load(monkeypatch, **REQUIRED)
    before = "the-secret-before-of-thirty-two-bytes"
    both = load(monkeypatch, **REQUIRED, PAYMENT_SECRET_PREVIOUS=before)
    assert alone.providers[0].secrets == (REQUIRED["PAYMENT_SECRET"],)
    assert both.providers[0].secrets == (REQUIRED["PAYMENT_SECRET"], before)


@pytest.mark.parametrize("name", sorted(example()))
def test_each_setting_is_explained_in_one_line(name: str) -> None:
    lines = EXAMPLE.read_text().splitlines()
    at = next(i for i, line in enumerate(lines) if line.startswith(f"{name}="))
    assert re.fullmatch(r"# [A-Za-z].*\.", lines[at - 1])
    assert lines[at - 2] == "" or not lines[at - 2].startswith("# ")


WRONG = [
    ("JWT_SECRET", "hunter2", "JWT_SECRET is too short: at least 32 bytes."),
    ("PAYMENT_SECRET", "hunter2", "the payment secret of smartshell is too short"),
    ("TRANSPORTS", "websocket,pigeon", "TRANSPORTS takes websocket and polling"),
    ("METRICS_ACCESS", "friends", "METRICS_ACCESS takes anyone, admin or off."),
    ("LOG_FORMAT", "xml", "LOG_FORMAT takes auto, text or json."),
    ("PORT", "http", "PORT"),
    ("REALTIME_ENABLED", "maybe", "REALTIME_ENABLED"),
    ("PAYMENT_PROVIDERS", '[{"secrets": ["hunter2"]', "PAYMENT_PROVIDERS"),
    ("PAYMENT_PROVIDERS", '[{"name": "x"}]', 'PAYMENT_PROVIDERS takes [{"name"'),
    (
        "PAYMENT_PROVIDERS",
        '[{"name": "x", "scheme": "rot13", "secrets": ["a-secret-of-at-least-thirty-two-bytes"]}]',
        'PAYMENT_PROVIDERS: the schemes are ["body", "standard-webhooks"].',
    ),
    (
        "PAYMENT_PROVIDERS",
        '[{"name": "x", "scheme": "body", "secrets": ["hunter2"]}]',
        "the payment secret of x is too short",
    ),
    ("JWT_ISSUERS", '[{"issuer": "x"}]', 'JWT_ISSUERS takes [{"issuer"'),
    (
        "JWT_ISSUERS",
        '[{"issuer": "x", "secret": "hunter2", "audience": "y"}]',
        "JWT_ISSUERS: the secret of x is too short",
    ),
    ("TRUSTED_PROXIES", "10.0.0.0/99", "10.0.0.0/99"),
]


@pytest.mark.parametrize(("name", "value", "sentence"), WRONG)
def test_a_wrong_setting_is_refused_in_words(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, sentence: str
) -> None:
    with pytest.raises(ConfigError) as refused:
        load(monkeypatch, **REQUIRED | {name: value})
    said = str(refused.value)
    assert sentence in said
    # A secret that was refused is not shown to whoever reads the terminal or the log.
    assert "hunter2" not in said
