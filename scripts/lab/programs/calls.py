"""A Python client that calls one URL the way a service does, with one of the common libraries.

    calls.py URL --library requests --load 4x10@200ms [options]

The load is the Go client's: phases WORKERSxREQUESTS@PERIOD, separated by commas; "rest@2s" is silence.  Workers share
one Session, Client or pool.  It prints "done" and how many calls were answered and failed, then stays alive and quiet.
"""

from __future__ import annotations

import argparse
import asyncio
import http.client
import itertools
import random
import re
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from urllib.parse import urlsplit

DONE: Counter[str] = Counter()
KEPT: list[Session] = []  # a pool is alive as long as its program
FOREVER = 3600.0


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument(
        "--library", default="http.client", choices=["http.client", "requests", "urllib3", "httpx", "aiohttp"]
    )
    parser.add_argument("--load", default="1x10@100ms")
    parser.add_argument(
        "--gaps", default="", help="seconds of rest before each call of a single worker, instead of a load"
    )
    parser.add_argument("--timeout", type=float, default=30.0, help="the library's own, in seconds")
    parser.add_argument("--connect-timeout", type=float, default=None)
    parser.add_argument(
        "--cancel", type=float, default=0.0, help="chance that the user gives a call up, httpx and aiohttp"
    )
    parser.add_argument("--post", type=int, default=0, help="POST a body of so many bytes")
    parser.add_argument("--pool", type=int, default=10)
    parser.add_argument("--again", type=int, default=0, help="try a failed call again so often, after --pause")
    parser.add_argument("--pause", type=float, default=0.1)
    parser.add_argument("--renew", type=int, default=0, help="each worker has its own session, new after so many calls")
    parser.add_argument("--lifetime", type=float, default=0.0, help="each worker has its own, new when it is so old")
    parser.add_argument("--jitter", type=float, default=0.0, help="each pause is off by up to this share of it")
    parser.add_argument("--together", action="store_true", help="all workers call at the same moments")
    parser.add_argument("--sent", help="log of the requests sent, where the server cannot know")
    parser.add_argument("--ends", action="store_true", help="end when done instead of staying")
    return parser.parse_args()


OPTIONS = arguments()


def log_what_is_sent(path: str) -> None:
    """Log "seconds port" when http.client, and what is built on it, sends a request's head."""
    log = open(path, "a", buffering=1)  # noqa: SIM115 open as long as the program runs
    send = http.client.HTTPConnection._send_output  # type: ignore[attr-defined]

    def send_and_log(self: http.client.HTTPConnection, *args: object, **named: object) -> None:
        send(self, *args, **named)  # connects first where it must
        log.write(f"{time.time():.6f} {self.sock.getsockname()[1]}\n")

    http.client.HTTPConnection._send_output = send_and_log  # type: ignore[attr-defined]


class Session:
    """A library's client: ``call`` makes one request and reads its answer."""

    def __init__(self) -> None:
        self.made = time.monotonic()
        self.calls = 0
        KEPT[:] = [session for session in KEPT if not session.closed] + [self]
        self.closed = False
        self.call, self.end = getattr(self, OPTIONS.library.replace(".", "_"))()

    def close(self) -> None:
        self.closed = True
        self.end()

    def http_client(self) -> tuple[Callable[[], int], Callable[[], None]]:
        place = urlsplit(OPTIONS.url)
        connection = http.client.HTTPConnection(place.hostname or "", place.port, timeout=OPTIONS.timeout)

        def call() -> int:
            try:
                body = b"b" * OPTIONS.post
                connection.request("POST" if body else "GET", place.path, body or None)
                response = connection.getresponse()
                response.read()
                return response.status
            except (OSError, http.client.HTTPException):
                connection.close()
                raise

        return call, connection.close

    def requests(self) -> tuple[Callable[[], int], Callable[[], None]]:
        import requests
        from requests.adapters import HTTPAdapter

        session = requests.Session()
        session.verify = False
        session.trust_env = False  # a CA bundle named in the environment would have it verify all the same
        session.mount("http://", HTTPAdapter(pool_maxsize=OPTIONS.pool))
        timeout = (OPTIONS.connect_timeout or OPTIONS.timeout, OPTIONS.timeout)

        def call() -> int:
            if OPTIONS.post:
                return session.post(OPTIONS.url, data=b"b" * OPTIONS.post, timeout=timeout).status_code
            return session.get(OPTIONS.url, timeout=timeout).status_code

        return call, session.close

    def urllib3(self) -> tuple[Callable[[], int], Callable[[], None]]:
        import urllib3

        pool = urllib3.PoolManager(maxsize=OPTIONS.pool, cert_reqs="CERT_NONE", retries=False)
        timeout = urllib3.Timeout(connect=OPTIONS.connect_timeout or OPTIONS.timeout, read=OPTIONS.timeout)

        def call() -> int:
            body = b"b" * OPTIONS.post or None
            return pool.request("POST" if body else "GET", OPTIONS.url, body=body, timeout=timeout).status

        return call, pool.clear

    def httpx(self) -> tuple[Callable[[], int], Callable[[], None]]:
        import httpx

        limits = httpx.Limits(
            max_connections=OPTIONS.pool, max_keepalive_connections=OPTIONS.pool, keepalive_expiry=FOREVER
        )
        client = httpx.Client(limits=limits, timeout=OPTIONS.timeout, verify=False)

        def call() -> int:
            body = b"b" * OPTIONS.post or None
            return client.request("POST" if body else "GET", OPTIONS.url, content=body).status_code

        return call, client.close


def seconds(text: str) -> float:
    number, unit = re.fullmatch(r"([\d.]+)(ms|s)", text).groups()  # type: ignore[union-attr]
    return float(number) / (1000 if unit == "ms" else 1)


def phases(load: str) -> list[tuple[int, int, float]]:
    """Workers, requests and period of each phase; no workers for a rest."""
    made = []
    for item in load.split(","):
        counts, _, period = item.partition("@")
        workers, requests = (0, 0) if counts == "rest" else map(int, counts.split("x"))
        made.append((workers, requests, seconds(period) if period else 0.0))
    return made


def pauses(requests: int, period: float, chance: random.Random) -> list[float]:
    """When the calls of a worker are due, in seconds from the first."""
    steps = [period * (1 + chance.uniform(-OPTIONS.jitter, OPTIONS.jitter)) for _ in range(requests)]
    return [0.0, *itertools.accumulate(steps)][:requests]


def attempt(session: Session) -> bool:
    """One call, tried again as asked."""
    for trial in range(OPTIONS.again + 1):
        if trial:
            time.sleep(OPTIONS.pause)
        try:
            session.made = session.made if session.calls else time.monotonic()  # the connection's age counts
            session.calls += 1
            DONE[f"{session.call()}"] += 1
            return True
        except Exception as error:  # what fails is the point of the case: counted, and named in the output
            DONE[type(error).__name__] += 1
    return False


def work(sessions: dict[int, Session], worker: int, due: list[float], offset: float) -> None:
    """The calls of a worker; it has a session of its own, kept from phase to phase, where sessions are renewed."""
    began = time.monotonic() + offset
    own = worker if OPTIONS.renew or OPTIONS.lifetime else 0
    for moment in due:
        time.sleep(max(0.0, began + moment - time.monotonic()))
        session = sessions[own]
        old = OPTIONS.renew and session.calls >= OPTIONS.renew
        if old or (OPTIONS.lifetime and time.monotonic() - session.made >= OPTIONS.lifetime):
            session.close()
            sessions[own] = session = Session()
        attempt(session)


def threads() -> None:
    chance = random.Random(1)
    if OPTIONS.gaps:
        session = Session()
        for gap in OPTIONS.gaps.split(","):
            time.sleep(float(gap))
            attempt(session)
        return
    plan = phases(OPTIONS.load)
    own = OPTIONS.renew or OPTIONS.lifetime
    sessions = {i: Session() for i in range(max(workers for workers, _, _ in plan) if own else 1)}
    for workers, requests, period in plan:
        if not workers:
            time.sleep(period)
        group = [
            threading.Thread(
                target=work,
                args=(sessions, i, pauses(requests, period, chance), 0.0 if OPTIONS.together else period * i / workers),
            )
            for i in range(workers)
        ]
        for thread in group:
            thread.start()
        for thread in group:
            thread.join()


async def tasks() -> None:
    """The load with asyncio: aiohttp, or httpx where calls are given up."""
    chance = random.Random(1)
    call, close = await (client_of_aiohttp() if OPTIONS.library == "aiohttp" else client_of_httpx())

    async def once() -> None:
        patience = chance.uniform(0.02, 1.5) if chance.random() < OPTIONS.cancel else FOREVER
        for trial in range(OPTIONS.again + 1):
            if trial:
                await asyncio.sleep(OPTIONS.pause)
            try:
                DONE[f"{await asyncio.wait_for(call(), patience)}"] += 1
                return
            except Exception as error:  # as above
                DONE[type(error).__name__] += 1

    async def worker(due: list[float], offset: float) -> None:
        began = time.monotonic() + offset
        for moment in due:
            await asyncio.sleep(max(0.0, began + moment - time.monotonic()))
            await once()

    if OPTIONS.gaps:
        for gap in OPTIONS.gaps.split(","):
            await asyncio.sleep(float(gap))
            await once()
    else:
        for workers, requests, period in phases(OPTIONS.load):
            if not workers:
                await asyncio.sleep(period)
            await asyncio.gather(
                *(
                    worker(pauses(requests, period, chance), 0.0 if OPTIONS.together else period * i / workers)
                    for i in range(workers)
                )
            )
    if OPTIONS.ends:
        await close()
    else:
        finish()
        await asyncio.sleep(FOREVER)


async def client_of_aiohttp():  # type: ignore[no-untyped-def]
    import aiohttp

    timeout = aiohttp.ClientTimeout(total=OPTIONS.timeout, sock_connect=OPTIONS.connect_timeout)
    connector = aiohttp.TCPConnector(limit=OPTIONS.pool, keepalive_timeout=FOREVER, ssl=False)
    session = aiohttp.ClientSession(timeout=timeout, connector=connector)

    async def call() -> int:
        body = b"b" * OPTIONS.post or None
        async with session.request("POST" if body else "GET", OPTIONS.url, data=body) as response:
            await response.read()
            return response.status

    return call, session.close


async def client_of_httpx():  # type: ignore[no-untyped-def]
    import httpx

    limits = httpx.Limits(
        max_connections=OPTIONS.pool, max_keepalive_connections=OPTIONS.pool, keepalive_expiry=FOREVER
    )
    client = httpx.AsyncClient(limits=limits, timeout=OPTIONS.timeout, verify=False)

    async def call() -> int:
        body = b"b" * OPTIONS.post or None
        return (await client.request("POST" if body else "GET", OPTIONS.url, content=body)).status_code

    return call, client.aclose


def finish() -> None:
    print("done", *(f"{word}={count}" for word, count in sorted(DONE.items())), flush=True)


def main() -> None:
    if OPTIONS.sent:
        log_what_is_sent(OPTIONS.sent)
    if OPTIONS.library == "aiohttp" or OPTIONS.cancel:
        asyncio.run(tasks())
        if not OPTIONS.ends:
            return
    else:
        threads()
    finish()
    if not OPTIONS.ends:
        time.sleep(FOREVER)


if __name__ == "__main__":
    sys.exit(main())
