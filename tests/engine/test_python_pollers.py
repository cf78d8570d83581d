"""Long-polling as python-engineio's client knows it: 16 packets a poll, and CLOSE is for good."""

import asyncio
import base64
from typing import Any

from tests.engine.clients import PollingClient, soon
from tests.engine.conftest import Serve
from tests.engine.raw_http import Response
from tests.engine.rig import echo_server, quiet_server

PYTHON = {"User-Agent": "Python/3.11 aiohttp/3.14.5"}
MOST = 16


async def poll(client: PollingClient) -> Response:
    return await client.polls.request("GET", client.target, headers=PYTHON)


async def test_the_parts_of_one_message_come_in_as_many_answers_as_it_takes(
    serve: Serve,
) -> None:
    rig = await serve(quiet_server())
    client = await rig.polling()
    await client.connect()
    files = [bytes([number]) * 3 for number in range(40)]
    await rig.engine.emit("before")
    await rig.engine.emit("files", files)
    await rig.engine.emit("after")

    answers: list[list[str]] = []
    while not answers or "after" not in answers[-1][-1]:
        answers.append((await soon(poll(client))).packets)

    assert max(map(len, answers)) <= MOST
    before, files_head, *parts, after = [packet for each in answers for packet in each]
    assert before == '42["before"]' and after == '42["after"]'
    assert files_head.startswith(f"45{len(files)}-")
    assert [base64.b64decode(part[1:]) for part in parts] == files


async def test_what_is_no_dismissal_is_an_error_so_that_it_comes_back(serve: Serve) -> None:
    eio: Any = echo_server(ping_interval=0.3, ping_timeout=0.2)
    client = await (await serve(eio)).polling()

    # The PING is not answered.
    assert (await soon(poll(client))).packets == ["2"]
    answer = await soon(poll(client))

    assert answer.status == 503
    assert await soon(eio.goodbyes.get()) == "ping timeout"


async def test_who_is_thrown_out_is_told_so(serve: Serve) -> None:
    eio: Any = echo_server()
    client = await (await serve(eio)).polling()
    waiting = asyncio.create_task(poll(client))
    await client.send("4hello")
    assert (await soon(waiting)).packets == ["4hello"]

    waiting = asyncio.create_task(poll(client))
    await client.send("3")
    await eio.disconnect(client.sid)

    answer = await soon(waiting)
    assert (answer.status, answer.packets) == (200, ["1"])
