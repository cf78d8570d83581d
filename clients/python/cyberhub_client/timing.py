"""Every wait of the kit."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds each; of a pair, the first and the longest."""

    #: Between attempts while nothing works: the longest spares a server that is down, and is short
    #: enough to wait for.
    retry: tuple[float, float] = (0.8, 15.0)
    #: Between looks for a better door while a lesser one is open.
    climb: tuple[float, float] = (2.0, 60.0)
    #: For one attempt at Socket.IO, as long as nothing comes.
    connect: float = 8.0
    #: Then the next door is tried beside it: a blocked path may swallow without an answer.
    slow: float = 3.0
    #: For the acknowledgement of a command.
    ack: float = 5.0
    #: For the answer to a request.
    request: float = 15.0
    #: From then on "reconnecting" would promise too much.
    offline: float = 30.0
    #: Between two attempts to renew a token.
    renew: float = 10.0
    #: Longest wait of one long poll.
    poll: float = 25.0
