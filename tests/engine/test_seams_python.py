"""What the engine leans on in Python's own asyncio and json, as test_seams.py has it of libraries.

A failure here comes with a newer Python.
"""

import asyncio
import json.encoder
import sys
from typing import Any

import pytest

from tests.engine.seams import CODEC, EAGER, moved

# asyncio.


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="Python has eager tasks of its own")
async def test_asyncio_3_11_lets_us_say_which_task_is_current() -> None:
    seam = moved("asyncio.tasks._current_tasks", EAGER)
    running = getattr(asyncio.tasks, "_current_tasks", None)
    assert isinstance(running, dict), seam
    loop, current, stand_in = asyncio.get_running_loop(), asyncio.current_task(), object()
    assert running.get(loop) is current, seam
    running[loop] = stand_in
    seen = asyncio.current_task()
    running[loop] = current

    assert seen is stand_in, seam
    waiting = loop.create_future()
    assert next(iter(waiting.__await__())) is waiting
    assert waiting._asyncio_future_blocking, moved("Future._asyncio_future_blocking", EAGER)


# json.


def encoder_in_c() -> Any:
    """As the codec makes it: default, string encoder, indent, separators, then three switches."""
    made = getattr(json.encoder, "c_make_encoder", None)
    assert made is not None, moved("json.encoder.c_make_encoder", CODEC)
    strings = json.encoder.encode_basestring  # type: ignore[attr-defined]
    try:
        return made(None, repr, strings, None, ":", ",", False, False, False)
    except TypeError as problem:
        raise AssertionError(moved(f"what c_make_encoder takes ({problem})", CODEC)) from None


@pytest.mark.skipif(
    sys.implementation.name != "cpython", reason="Only CPython's json has an encoder in C"
)
def test_the_json_modules_encoder_may_be_kept_for_many_texts() -> None:
    encoder, seam = encoder_in_c(), moved("what the encoder in C of json does", CODEC)
    value = {"b": ["é", 1.5, True, None], "a": b"x"}

    for _ in range(2):
        # Keys as they came, no spaces, text as it is, and `default` for what is no JSON.
        assert "".join(encoder(value, 0)) == '{"b":["é",1.5,true,null],"a":"b\'x\'"}', seam
    with pytest.raises(ValueError):
        encoder(float("nan"), 0)
    with pytest.raises(TypeError):
        encoder({(1, 2): 3}, 0)
    endless: list[Any] = []
    endless.append(endless)
    with pytest.raises(RecursionError):
        encoder(endless, 0)


def test_the_json_modules_decoder_says_where_a_value_ended() -> None:
    def no_constant(name: str) -> Any:
        raise ValueError(name)

    scan = getattr(json.JSONDecoder(parse_constant=no_constant), "scan_once", None)
    assert scan is not None, moved("json.JSONDecoder.scan_once", CODEC)

    seam = moved("what json.JSONDecoder.scan_once does", CODEC)
    assert scan('42["a",{"b":1}]x', 2) == (["a", {"b": 1}], 15), seam
    for broken, problem in (("", StopIteration), ("x", StopIteration), ("[1", ValueError)):
        with pytest.raises(problem):
            scan(broken, 0)
    with pytest.raises(ValueError):
        scan("[NaN]", 0)
