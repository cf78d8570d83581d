"""Becomes PostgreSQL: gives up root, ties its life to its parent's, and executes it.

Run by path in a fresh interpreter and never imported: a process that is to enter a user namespace
must have one thread, and code between fork and exec of a threaded server is not safe. It executes
rather than starts the binary, so the pid that the parent knows stays PostgreSQL's.

Its argument is a JSON object: `parent` (pid), `rights` (`keep`, `auto`, `namespace`, `setuid`),
`own` (folders that the new user must own) and `argv`.
"""

import ctypes
import json
import os
import pwd
import signal
import sys
from collections.abc import Iterable
from typing import NoReturn

_CLONE_NEWUSER = 0x10000000
_PR_SET_PDEATHSIG = 1
# What the kernel itself shows for a user without a name here.
_NOBODY = 65534


def _enter_namespace() -> None:
    # One line that maps oneself needs no privilege. Inside, root is nobody, which PostgreSQL
    # accepts; outside, its files stay root's, so no folder has to change hands.
    uid, gid = os.geteuid(), os.getegid()
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(_CLONE_NEWUSER) != 0:
        raise OSError(ctypes.get_errno(), "unshare")
    for name, text in (
        ("setgroups", "deny"),
        ("uid_map", f"{_NOBODY} {uid} 1"),
        ("gid_map", f"{_NOBODY} {gid} 1"),
    ):
        # One unbuffered write: the kernel takes a map in a single call or not at all.
        with open(f"/proc/self/{name}", "wb", buffering=0) as file:
            file.write(text.encode())


def _namespace_allowed() -> bool:
    """Whether this machine lets us: tried in a child, because there is no way back out of one."""
    if not sys.platform.startswith("linux"):
        return False
    child = os.fork()
    if child == 0:
        try:
            _enter_namespace()
        except BaseException:
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def _give(folders: Iterable[str], uid: int, gid: int) -> None:
    for top in folders:
        if os.lstat(top).st_uid == uid:
            continue
        # Bottom-up: the top folder's owner says that all below is done, also after a kill here.
        for path, names, files in os.walk(top, topdown=False):
            for name in (*names, *files):
                os.chown(os.path.join(path, name), uid, gid, follow_symlinks=False)
        os.chown(top, uid, gid)


def _nobody() -> tuple[int, int]:
    try:
        entry = pwd.getpwnam("nobody")
    except KeyError:
        return _NOBODY, _NOBODY
    return entry.pw_uid, entry.pw_gid


def _check_way(path: str) -> None:
    folder = os.path.dirname(path)
    above = os.path.dirname(folder)
    if above != folder:
        _check_way(folder)
    if not os.access(folder, os.X_OK):
        sys.exit(
            f"The user nobody may not enter {folder}, on the way to {path}. PostgreSQL refuses to "
            "run as root and this machine allows no user namespaces: run the server as an "
            "ordinary user, or put it and its data where nobody can reach them."
        )


def _give_up_root(rights: str, own: list[str], program: str) -> None:
    if rights == "namespace" or rights == "auto" and _namespace_allowed():
        # Folders that an earlier run gave to nobody could not be read from inside.
        _give(own, os.geteuid(), os.getegid())
        _enter_namespace()
        return
    uid, gid = _nobody()
    _give(own, uid, gid)
    os.setgroups([])
    os.setgid(gid)
    os.setuid(uid)
    for path in (program, *own):
        _check_way(path)


def main(text: str) -> NoReturn:
    """Do what the module says; ends the process with a sentence on stderr if it cannot."""
    plan = json.loads(text)
    argv: list[str] = plan["argv"]
    try:
        if plan["rights"] != "keep":
            _give_up_root(plan["rights"], plan["own"], argv[0])
        if sys.platform.startswith("linux"):
            # After the change of user, which clears it. SIGQUIT is PostgreSQL's immediate
            # shutdown: the postmaster takes its backends along.
            libc = ctypes.CDLL(None, use_errno=True)
            if libc.prctl(_PR_SET_PDEATHSIG, int(signal.SIGQUIT), 0, 0, 0) != 0:
                raise OSError(ctypes.get_errno(), "prctl")
        if os.getppid() != plan["parent"]:
            # It died before the line above could tell us.
            sys.exit("The server that wanted PostgreSQL has ended.")
        # The interpreter ignores SIGPIPE and SIGXFSZ, a shell in the background those that
        # interrupt and quit, and that would be inherited.
        for number in (signal.SIGPIPE, signal.SIGXFSZ, signal.SIGINT, signal.SIGQUIT):
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, [])
        os.execv(argv[0], argv)
    except OSError as error:
        sys.exit(f"{argv[0]} cannot be run: {error}.")


if __name__ == "__main__":
    # A stop may come this early; it needs no traceback in PostgreSQL's log.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    main(sys.argv[1])
