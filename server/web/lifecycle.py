"""What state the server is in: starting, ready, draining."""

import asyncio
from enum import Enum


class State(Enum):
    STARTING = "starting"
    READY = "ready"
    DRAINING = "draining"


class Lifecycle:
    """The server's state, and an event for those who wait while it drains."""

    def __init__(self) -> None:
        self.state = State.STARTING
        self.reason = "starting"
        self.is_ready = asyncio.Event()
        self.draining = asyncio.Event()

    def ready(self) -> None:
        if self.state is State.STARTING:
            self.state = State.READY
            self.reason = ""
            self.is_ready.set()

    def drain(self) -> None:
        self.state = State.DRAINING
        self.reason = "draining"
        self.draining.set()
