"""Stories run over every way to hear: WebSocket, polling, and with real time off."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from server.config import Config
from tests.club import Club
from tests.conftest import make_config


@pytest.fixture(scope="module", params=["websocket", "polling", "upgrade", "updates"])
def door(request: pytest.FixtureRequest) -> str:
    """How people listen in this run of the stories."""
    return str(request.param)


@pytest.fixture(scope="module")
def config(dsn: str, door: str, tmp_path_factory: pytest.TempPathFactory) -> Config:
    var_dir: Path = tmp_path_factory.mktemp("var")
    return make_config(dsn, var_dir, realtime_enabled=door != "updates")


@pytest.fixture(scope="module")
async def club(config: Config) -> AsyncIterator[Club]:
    async with Club.open(config) as running:
        yield running
