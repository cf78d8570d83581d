"""One connection to a CyberHub club that stays up, whatever the network does.

    async with Client("https://club.example", username="bot", password="…") as club:
        async for event in club.events():
            print(event.name, event.data)
"""

from cyberhub_client.client import Client
from cyberhub_client.errors import ApiError, SignedOut
from cyberhub_client.event import Event
from cyberhub_client.indicator import State
from cyberhub_client.session import Session
from cyberhub_client.timing import Timing

__all__ = ["ApiError", "Client", "Event", "Session", "SignedOut", "State", "Timing"]
