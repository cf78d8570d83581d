"""What an operator's log may hold."""

import logging
from collections.abc import Iterator

import pytest
import structlog

from server import logs


@pytest.fixture(autouse=True)
def logging_as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = handlers, level
    structlog.reset_defaults()


@pytest.mark.parametrize("format", ["text", "json"])
@pytest.mark.parametrize("logger", ["structlog", "logging"])
def test_traceback_in_the_log_names_the_place_but_no_values(
    format: str, logger: str, capsys: pytest.CaptureFixture[str]
) -> None:
    logs.configure(format=format)
    make = structlog.get_logger if logger == "structlog" else logging.getLogger

    def sign_in(token: str) -> None:
        raise RuntimeError("it broke")

    try:
        # Put together here, so that the line of the source does not hold it.
        sign_in("-".join(("nobody", "may", "read")))
    except RuntimeError:
        make(f"test.{format}").exception("a request failed")

    said = capsys.readouterr().err
    assert "it broke" in said and "in sign_in" in said
    assert "nobody-may-read" not in said
