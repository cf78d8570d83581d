"""Notifications as doors tell them: written into the lists, and told in the same transaction."""

from collections.abc import Sequence

from aiohttp import web

from events import NotificationNew
from server.club import notifications
from server.club.notifications import Notice
from server.db import Transaction
from server.keys import CONFIG, SIO


async def notify(app: web.Application, tx: Transaction, notices: Sequence[Notice]) -> None:
    """Tell members something, each in a list and at every door.

    Once in a transaction and after its other locks (server.club.notifications, Invariants).
    """
    most = app[CONFIG].notifications_max
    for entry in await notifications.add(tx, notices, most=most):
        await app[SIO].emit(NotificationNew.of(entry), tx=tx)
