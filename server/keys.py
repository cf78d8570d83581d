"""Where the parts of the running service hang on the application and on a request."""

from typing import TYPE_CHECKING, Any

from aiohttp import web

from server.config import Config

if TYPE_CHECKING:
    from server.club.feeds import Secrets
    from server.db import Database
    from server.realtime.demotions import Demotions
    from server.realtime.departures import Departures
    from server.realtime.feeds import Feeds
    from server.realtime.log import EventLog
    from server.realtime.marks import Marks
    from server.realtime.reactor import Reactor
    from server.realtime.relay import Relay
    from server.realtime.retention import Retention
    from server.realtime.roster import Roster
    from server.realtime.sio import ClubSio
    from server.realtime.sockets import Sockets
    from server.reminders import Reminders
    from server.web.auth import Authenticator
    from server.web.lifecycle import Lifecycle
    from server.web.limits import RateLimits
    from server.web.passwords import Passwords
    from server.web.transactions import Turns

CONFIG = web.AppKey("config", Config)
AUTH: "web.AppKey[Authenticator]" = web.AppKey("auth")
DB: "web.AppKey[Database]" = web.AppKey("db")
DEMOTIONS: "web.AppKey[Demotions]" = web.AppKey("demotions")
DEPARTURES: "web.AppKey[Departures]" = web.AppKey("departures")
DOCUMENTS: "web.AppKey[dict[str, str]]" = web.AppKey("documents")
EVENT_LOG: "web.AppKey[EventLog]" = web.AppKey("event_log")
FEEDS: "web.AppKey[Feeds]" = web.AppKey("feeds")
FEED_SECRETS: "web.AppKey[Secrets]" = web.AppKey("feed_secrets")
LIFECYCLE: "web.AppKey[Lifecycle]" = web.AppKey("lifecycle")
LIMITS: "web.AppKey[RateLimits]" = web.AppKey("limits")
MARKS: "web.AppKey[Marks]" = web.AppKey("marks")
PASSWORDS: "web.AppKey[Passwords]" = web.AppKey("passwords")
REACTOR: "web.AppKey[Reactor]" = web.AppKey("reactor")
RELAY: "web.AppKey[Relay]" = web.AppKey("relay")
REMINDERS: "web.AppKey[Reminders]" = web.AppKey("reminders")
RETENTION: "web.AppKey[Retention]" = web.AppKey("retention")
ROSTER: "web.AppKey[Roster]" = web.AppKey("roster")
ROUTES: "web.AppKey[list[Any]]" = web.AppKey("routes")
SIO: "web.AppKey[ClubSio]" = web.AppKey("sio")
SOCKETS: "web.AppKey[Sockets]" = web.AppKey("sockets")
TURNS: "web.AppKey[Turns]" = web.AppKey("turns")

ADDRESS = web.RequestKey("address", str)
CLAIMS: "web.RequestKey[Any]" = web.RequestKey("claims")
REQUEST_ID = web.RequestKey("request_id", str)
ROUTE: "web.RequestKey[Any]" = web.RequestKey("route")
SIGNED_IN: "web.RequestKey[Any]" = web.RequestKey("signed_in")
