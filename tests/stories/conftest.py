"""Stories run over every way to hear: WebSocket, polling, and with real time off."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from server.config import Config
from tests.club import Club
from tests.conftest import make_config

# How people listen, and the switches of a club in which that is the only way.
MODES: dict[str, dict[str, Any]] = {
    "websocket": {"transports": ("websocket",)},
    "polling": {"transports": ("polling",)},
    "upgrade": {"transports": ("websocket", "polling")},
    "updates": {"realtime_enabled": False},
}


@pytest.fixture(scope="module", params=MODES)
def door(request: pytest.FixtureRequest) -> str:
    """How people listen in this run of the stories."""
    return str(request.param)


@pytest.fixture(scope="module")
def config(dsn: str, door: str, tmp_path_factory: pytest.TempPathFactory) -> Config:
    var_dir: Path = tmp_path_factory.mktemp("var")
    return make_config(dsn, var_dir, **MODES[door])


@pytest.fixture(scope="module")
async def club(config: Config) -> AsyncIterator[Club]:
    async with Club.open(config) as running:
        yield running
