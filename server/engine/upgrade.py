"""The change from long-polling to a WebSocket (Engine.IO protocol, "Upgrade").

The client opens a WebSocket, sends `2probe`, is answered `3probe`, lets its last poll end and
sends `5`. Until then the session lives on polling: a probe that dies leaves it there.
"""

import asyncio
from typing import TYPE_CHECKING

from server.engine.frames import GOING_AWAY, POLICY
from server.engine.packets import PROBE_ANSWER_FRAME
from server.engine.websocket import WebSocket

if TYPE_CHECKING:
    from server.engine.session import Session


class Upgrade:
    """A WebSocket on trial."""

    __slots__ = ("_ended_poll", "_probed", "_session", "_timer", "websocket")

    def __init__(self, session: "Session") -> None:
        limits = session.server.limits
        self._session = session
        self.websocket = WebSocket(self, limits)
        self._probed = False
        self._ended_poll = False
        self._timer = asyncio.get_running_loop().call_later(
            limits.upgrade_timeout, self._timed_out
        )

    @property
    def probed(self) -> bool:
        """Whether the WebSocket has shown that it carries something."""
        return self._probed

    def ends_poll(self) -> bool:
        """Whether a poll is to be ended at once: the first after the probe is, and no other."""
        first, self._ended_poll = not self._ended_poll, True
        return first

    def cancel(self) -> None:
        """The session ends: the trial with it."""
        self._timer.cancel()
        self.websocket.close(GOING_AWAY)

    def websocket_message(self, websocket: WebSocket, data: str | bytes) -> None:
        if not self._probed and data == "2probe":
            self._probed = True
            websocket.write(PROBE_ANSWER_FRAME)
            self._session.probed()
        elif self._probed and data == "5":
            self._timer.cancel()
            self._session.upgraded_to(websocket)
        else:
            self._timer.cancel()
            websocket.close(POLICY, "not an upgrade")
            self._session.upgrade_failed()

    def websocket_lost(self, websocket: WebSocket, reason: str, code: int = 0) -> None:
        self._timer.cancel()
        self._session.upgrade_failed()

    def websocket_behind(self, websocket: WebSocket, behind: bool) -> None:
        """Nothing but the answer to the probe is sent here."""

    def _timed_out(self) -> None:
        self._session.server.counters.upgrade_timeouts += 1
        self.websocket.close(GOING_AWAY, "the upgrade did not come")
        self._session.upgrade_failed()
