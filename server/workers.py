"""Several serving processes on one machine, on neighbouring ports, and one that minds them.

Each is `cyberhub serve` with a name and a port of its own. One that dies is replaced; its clients
recover at another one meanwhile. SIGHUP replaces them one after another, each when the one before
is ready, and so begins what has been installed since. SIGTERM and SIGINT stop all.
"""

import asyncio
import os
import signal
import sys
import time

import aiohttp
import structlog

from server import logs
from server.config import Config, ConfigError
from server.db import Database
from server.embedded_postgres import EmbeddedPostgres
from server.serve import database

log = structlog.get_logger(__name__)

_MOST = 64
# What a worker may take to stop beyond its drain, before it is killed.
_STOP_S = 5.0
# One that dies again and again is not started more often than this.
_FIRST_PAUSE_S = 0.2
_LONGEST_PAUSE_S = 10.0
_LIVES_S = 30.0
_READY_S = 60.0
_LOOK_S = 0.1


def serve(config: Config, count: int) -> None:
    """Serve with so many processes until SIGTERM or SIGINT. Raises: ConfigError."""
    if not 1 <= count <= _MOST:
        raise ConfigError(f"--workers takes a number from 1 to {_MOST}.")
    if config.port + count - 1 > 65_535:
        raise ConfigError(f"There are no {count} ports from {config.port} on.")
    logs.configure(format=config.log_format, level=config.log_level)
    if config.redis_url is None and count > 1:
        log.warning(
            "REDIS_URL is not set: what is not kept in the log (typing, the reactor) is heard by "
            "one worker's clients only, and each worker counts rate limits for itself"
        )
    connections = count * (config.database_pool + Database.BESIDE_POOL)
    with database(config, connections=connections) as (dsn, postgres):
        asyncio.run(Workers(config.with_database(dsn), count).run(postgres))


class Worker:
    """One place among the workers: a name, a port, and the process that has it now."""

    def __init__(self, config: Config, number: int) -> None:
        self.name = f"{config.worker_name or 'w'}{number + 1}"
        host = "127.0.0.1" if config.host in ("0.0.0.0", "::") else config.host
        self.port = config.port + number
        self.url = f"http://{host}:{self.port}"
        self._patience_s = config.drain_s + _STOP_S
        self._environment = {
            "PORT": str(self.port),
            "WORKER_NAME": self.name,
            "DATABASE_URL": config.database_url or "",
        }
        self._process: asyncio.subprocess.Process | None = None
        #: Whether its end was asked for.
        self._is_leaving = False

    async def keep(self) -> None:
        """Let there be a process, until cancelled."""
        pause_s = _FIRST_PAUSE_S
        while True:
            began = time.monotonic()
            self._is_leaving = False
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                *("-m", "server", "serve", f"--minded-by={os.getpid()}"),
                env=os.environ | self._environment,
            )
            log.info("worker started", worker=self.name, port=self.port, pid=self._process.pid)
            code = await self._process.wait()
            if self._is_leaving:
                continue
            if time.monotonic() - began > _LIVES_S:
                pause_s = _FIRST_PAUSE_S
            log.error("worker died", worker=self.name, code=code, again_in_s=pause_s)
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)

    async def stop(self) -> None:
        """Let the process drain and end; kills it when it does not."""
        process = self._process
        if process is None or process.returncode is not None:
            return
        self._is_leaving = True
        process.terminate()
        try:
            await asyncio.wait_for(process.wait(), self._patience_s)
        except TimeoutError:
            log.error("worker did not stop and is killed", worker=self.name)
            process.kill()
            await process.wait()

    async def is_ready(self, http: aiohttp.ClientSession) -> bool:
        try:
            async with http.get(f"{self.url}/ready") as response:
                return response.status == 200
        except (aiohttp.ClientError, TimeoutError):
            return False

    async def becomes_ready(self, http: aiohttp.ClientSession) -> bool:
        """Whether traffic may go to it within a minute."""
        deadline = time.monotonic() + _READY_S
        while time.monotonic() < deadline:
            if await self.is_ready(http):
                return True
            await asyncio.sleep(_LOOK_S)
        return False


class Workers:
    """All of them."""

    def __init__(self, config: Config, count: int) -> None:
        self._workers = [Worker(config, number) for number in range(count)]
        self._roll = asyncio.Event()

    async def run(self, postgres: EmbeddedPostgres | None) -> None:
        """Until SIGTERM or SIGINT."""
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stop.set)
        loop.add_signal_handler(signal.SIGHUP, self._roll.set)
        keeping = [asyncio.create_task(worker.keep()) for worker in self._workers]
        tasks = [asyncio.create_task(self._roll_when_asked())]
        if postgres is not None:
            tasks.append(asyncio.create_task(postgres.supervise()))
        await stop.wait()
        log.info("stopping")
        # First these: nobody is to be replaced any more.
        for task in (*keeping, *tasks[:1]):
            task.cancel()
        await asyncio.gather(*keeping, return_exceptions=True)
        await asyncio.gather(*(worker.stop() for worker in self._workers))
        for task in tasks:
            task.cancel()

    async def _roll_when_asked(self) -> None:
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5)) as http:
            while True:
                await self._roll.wait()
                self._roll.clear()
                await self._replace_all(http)

    async def _replace_all(self, http: aiohttp.ClientSession) -> None:
        for worker in self._workers:
            log.info("worker is replaced", worker=worker.name)
            await worker.stop()
            if not await worker.becomes_ready(http):
                # The others stay: what was installed does not work.
                log.error("the new worker does not get ready; the others stay", worker=worker.name)
                return
        log.info("all workers are replaced")
