"""Bring the database to the schema of this code."""

from pathlib import Path

from alembic import command
from alembic.config import Config as AlembicConfig
from alembic.script import ScriptDirectory

import migrations

_FOLDER = Path(migrations.__file__).parent


def upgrade(dsn: str) -> None:
    """Apply what is missing. Blocking; takes an advisory lock, so several may call at once.

    Raises: whatever the driver raises when the database is away.
    """
    command.upgrade(_alembic(dsn), "head")


def head() -> str:
    """The revision that this code needs."""
    revision = ScriptDirectory.from_config(_alembic("")).get_current_head()
    assert revision is not None
    return revision


def _alembic(dsn: str) -> AlembicConfig:
    config = AlembicConfig()
    config.set_main_option("script_location", str(_FOLDER))
    # As an attribute, not an option: a password may hold '%', which options interpolate.
    config.attributes["dsn"] = dsn
    return config
