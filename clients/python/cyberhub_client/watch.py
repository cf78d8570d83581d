"""Prints events as they come; what becomes of the connection goes to stderr."""

import argparse
import asyncio
import contextlib
import getpass
import json
import logging
import os
import signal
import sys
import time
from pathlib import Path

from cyberhub_client.client import Client
from cyberhub_client.errors import ApiError
from cyberhub_client.event import Event

_PASSWORD = "CYBERHUB_PASSWORD"
_TOKEN = "CYBERHUB_TOKEN"


class Unusable(Exception):
    """What was asked for cannot be done; the text says why."""


def parser() -> argparse.ArgumentParser:
    """The command line of `python -m cyberhub_client`."""
    whole = argparse.ArgumentParser(
        prog="cyberhub-client", description="One connection to a CyberHub club."
    )
    commands = whole.add_subparsers(dest="command", required=True)
    watch = commands.add_parser(
        "watch",
        help="print what happens, a line an event",
        description="Prints what happens in a club, a line an event, until Ctrl-C. Without "
        "--username and a token it hears what everybody hears.",
    )
    watch.add_argument("--url", default="http://localhost:3000", help="default: %(default)s")
    who = watch.add_mutually_exclusive_group()
    who.add_argument(
        "--username",
        metavar="NAME",
        help=f"sign in; the password comes from --password-file, from {_PASSWORD}, or is asked "
        "for, since a command line can be read by others",
    )
    who.add_argument(
        "--token",
        help=f"in place of a name and a password; {_TOKEN} is safer, as others can read this",
    )
    watch.add_argument("--password-file", metavar="FILE", help="its first line; - for stdin")
    watch.add_argument("--json", action="store_true", help="one JSON object a line")
    watch.add_argument("--only", metavar="NAME,…", default="", help="these events only")
    watch.add_argument("--since", metavar="CURSOR", help="begin after this place in the log")
    watch.add_argument("--state", metavar="FILE", help="keep the place, and go on there next time")
    watch.add_argument("--transport", choices=("websocket", "polling", "updates"))
    return whole


def run(options: argparse.Namespace) -> int:
    """The exit code: 0 after Ctrl-C, 1 when it could not go on."""
    try:
        client = Client(
            options.url,
            username=options.username,
            password=_password(options),
            token=_token(options),
            since=options.since,
            state=options.state,
            transport=options.transport,
        )
        asyncio.run(_until_interrupted(client, options))
    except (ApiError, OSError, Unusable, ValueError) as error:
        _say(f"cyberhub-client: {error}")
        return 1
    except KeyboardInterrupt:
        # While a password was asked for, or in the instant before it is listened to.
        pass
    return 0


def _token(options: argparse.Namespace) -> str | None:
    return None if options.username else options.token or os.environ.get(_TOKEN)


def _password(options: argparse.Namespace) -> str | None:
    if options.username is None:
        return None
    if options.password_file == "-":
        return sys.stdin.readline().rstrip("\r\n")
    if options.password_file is not None:
        return (Path(options.password_file).read_text().splitlines() or [""])[0]
    if _PASSWORD in os.environ:
        return os.environ[_PASSWORD]
    if not sys.stdin.isatty():
        raise Unusable(f"a password is needed: --password-file FILE, or {_PASSWORD}")
    return getpass.getpass(f"Password of {options.username}: ")


async def _until_interrupted(client: Client, options: argparse.Namespace) -> None:
    loop = asyncio.get_running_loop()
    watching = loop.create_task(_watch(client, options))
    # On Windows there is no such thing, and asyncio.run turns Ctrl-C into a cancellation.
    with contextlib.suppress(NotImplementedError):
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, watching.cancel)
    await asyncio.wait((watching,))
    if not watching.cancelled():
        watching.result()


def _say_why() -> None:
    """What the kit notes goes to stderr: why a door does not open."""
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(message)s"))
    log = logging.getLogger("cyberhub_client")
    log.addHandler(handler)
    log.setLevel(logging.INFO)


async def _watch(client: Client, options: argparse.Namespace) -> None:
    _say_why()
    client.on("state", lambda state: _say(str(state)))
    _say(f"connecting to {options.url}")
    names = [name.strip() for name in options.only.split(",") if name.strip()]
    async with client:
        async for event in client.events(*names):
            if event.name == "resync":
                _say(f"following from {event.cursor}")
            elif not _print(_as_json(event) if options.json else _as_text(event)):
                return


def _as_json(event: Event) -> str:
    line = {"event": event.name, "data": event.data, "cursor": event.cursor}
    return json.dumps(line, ensure_ascii=False)


def _as_text(event: Event) -> str:
    data = "" if event.data is None else " " + json.dumps(event.data, ensure_ascii=False)
    return f"{time.strftime('%H:%M:%S')} {event.name}{data}"


def _print(line: str) -> bool:
    """False when nobody reads any more."""
    try:
        print(line, flush=True)
    except BrokenPipeError:
        # As `| head` does it. What the interpreter still flushes at its end goes nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return False
    return True


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
