"""Logs: one line a thing, for people on a terminal, as JSON otherwise."""

import logging
import sys
from typing import Any

import structlog
from aiohttp.http import HttpProcessingError


def configure(*, format: str = "auto", level: str = "INFO") -> None:
    """Set up structlog and the standard library's logging alike.

    `format` is text, json, or auto: text on a terminal.
    """
    text = format == "text" or (format == "auto" and sys.stderr.isatty())
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="%H:%M:%S" if text else "iso", utc=not text),
    ]
    renderer: list[Any]
    if text:
        renderer = [
            structlog.dev.ConsoleRenderer(
                colors=sys.stderr.isatty(),
                pad_event_to=0,
                # Where `rich` is installed the default one prints local variables, and with
                # them tokens, passwords and bodies.
                exception_formatter=structlog.dev.plain_traceback,
            )
        ]
    else:
        renderer = [
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(ensure_ascii=False),
        ]
    structlog.configure(
        processors=[*shared, structlog.processors.StackInfoRenderer(), *renderer],
        wrapper_class=structlog.make_filtering_bound_logger(_level(level)),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *renderer],
        )
    )
    logging.getLogger("aiohttp.server").addFilter(_without_the_request)
    # It shows the subprotocols that a client offers, which some misuse for a token.
    logging.getLogger("aiohttp.websocket").setLevel(logging.ERROR)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    # Libraries speak up only when something is wrong: our own lines tell the story.
    root.setLevel(logging.WARNING)


def _without_the_request(record: logging.LogRecord) -> bool:
    """aiohttp shows the line that it could not parse, which may hold a token."""
    error = record.exc_info[1] if record.exc_info else None
    if isinstance(error, HttpProcessingError):
        record.msg, record.args = f"unreadable request: {type(error).__name__}", ()
        record.exc_info = record.exc_text = None
        record.levelno, record.levelname = logging.WARNING, "WARNING"
    return True


def _level(name: str) -> int:
    level = logging.getLevelName(name)
    return level if isinstance(level, int) else logging.INFO
