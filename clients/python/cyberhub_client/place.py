"""Where a caller was, in a file, so that it goes on there after a restart."""

import json
import os
import tempfile
from pathlib import Path
from typing import NamedTuple


class Place(NamedTuple):
    """A cursor and whose it is; None: nobody's, who hears what all hear."""

    cursor: str
    user_id: int | None


def read(path: Path) -> Place | None:
    """None if there is no such file. Raises: ValueError if something else stands there."""
    try:
        kept = json.loads(path.read_bytes())
        place = Place(kept["cursor"], kept["userId"])
    except FileNotFoundError:
        return None
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path} holds no place of cyberhub_client") from error
    if not isinstance(place.cursor, str):
        raise ValueError(f"{path} holds no place of cyberhub_client")
    return place


def write(path: Path, place: Place) -> None:
    """All of it or nothing, also when the machine stops; nobody else may read it.

    It holds no token: whoever finds it learns a number.
    """
    # mkstemp makes it with mode 600.
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with open(handle, "w", encoding="ascii") as file:
            json.dump({"cursor": place.cursor, "userId": place.user_id}, file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(name, path)
    except BaseException:
        os.unlink(name)
        raise
