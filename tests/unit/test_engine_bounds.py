"""Each bound of the engine is a setting that reaches it, and is told of in its documentation."""

import re
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from server import config
from server.app import create_app
from server.config import ENGINE
from server.engine import EngineServer, make_server
from server.engine.limits import Counters, Limits
from server.keys import SIO

DOCUMENTATION = Path(__file__).parents[2] / "docs" / "engine.md"
# The transport's own, which python-engineio has as well.
PINGS = {"ping_interval", "ping_timeout"}


def test_every_bound_is_a_setting_with_the_same_default() -> None:
    settings = {name: default for name, default in ENGINE.items() if name not in PINGS}

    assert settings == {each.name: each.default for each in fields(Limits)}


def test_a_setting_reaches_the_engine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("JWT_SECRET", "PAYMENT_SECRET"):
        monkeypatch.setenv(name, f"{name}-of-thirty-two-bytes-or-more")
    monkeypatch.setenv("VAR_DIR", str(tmp_path))
    monkeypatch.setenv("DATABASE_URL", "postgresql://localhost/nobody-asks-it")
    asked = {name: default + 1 for name, default in ENGINE.items()}
    for name, value in asked.items():
        monkeypatch.setenv(f"ENGINE_{name.upper()}", str(value))

    eio = create_app(config.load())[SIO].eio

    for name, value in asked.items():
        assert getattr(eio if name in PINGS else eio.limits, name) == value, name


def test_every_bound_and_every_counter_is_documented() -> None:
    (bounds,) = re.findall(r"^## Bounds$(.*?)^## ", DOCUMENTATION.read_text(), re.M | re.S)
    told = set(re.findall(r"`([a-z_]+)`", bounds))

    assert {each.name for each in fields(Limits)} <= told
    # A refused origin is no bound, and is counted all the same.
    assert {each.name for each in fields(Counters)} - {"refused_origins"} <= told


@pytest.mark.parametrize("make", [make_server, EngineServer])
def test_an_option_that_nobody_knows_is_refused(make: Any) -> None:
    with pytest.raises(TypeError, match="max_handler"):
        make(async_mode="aiohttp", max_handler=3)
