"""Python's HTTP clients, called by a number of threads; prints "done" and stays alive and quiet.

    delay_calls.py LIBRARY URL [--workers 1] [--requests 10] [--period S] [--path /a --path /b] ...

LIBRARY is requests, urllib3, httpx, aiohttp or http.client.  All threads share one session or pool, unless
--new-session gives each call its own.  Calls that fail are counted and do not end the run.
"""

from __future__ import annotations

import argparse
import asyncio
import http.client
import socket
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from urllib.parse import urlsplit

Call = Callable[[str], object]  # a path


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("library", choices=("requests", "urllib3", "httpx", "aiohttp", "http.client"))
    parser.add_argument("url")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--requests", type=int, default=10, help="of each worker")
    parser.add_argument("--period", type=float, default=0.0, metavar="S", help="from call to call of a worker")
    parser.add_argument("--path", action="append", default=[], help="asked for in turn")
    parser.add_argument("--post", type=int, default=0, metavar="BYTES", help="POST so many")
    parser.add_argument("--pool", type=int, default=10, metavar="N", help="connections that the pool keeps")
    parser.add_argument("--block", action="store_true", help="urllib3: wait for one of the pool's connections")
    parser.add_argument("--new-session", action="store_true", help="a session for each call, closed after it")
    parser.add_argument("--leak", action="store_true", help="requests: a session for each call, never closed")
    parser.add_argument("--give-up", type=float, metavar="S", help="done after so long, whatever is still awaited")
    parser.add_argument("--timeout", type=float, metavar="S")
    parser.add_argument("--verify", action="store_true", help="verify the server's certificate")
    parser.add_argument("--proxy")
    parser.add_argument("--sent", help="requests, http.client: log of what was sent, where the server cannot know")
    parser.add_argument("--read-rate", type=int, default=0, metavar="BYTES/S", help="requests, urllib3: read no faster")
    parser.add_argument("--receive-buffer", type=int, default=0, metavar="BYTES")
    return parser.parse_args()


def requests_call(options: argparse.Namespace) -> Call:
    import requests
    import urllib3
    from requests.adapters import HTTPAdapter

    urllib3.disable_warnings()

    class Adapter(HTTPAdapter):
        def init_poolmanager(self, *arguments: object, **keywords: object) -> None:
            super().init_poolmanager(*arguments, **keywords, **socket_options(options))  # type: ignore[arg-type]

    def session() -> requests.Session:
        made = requests.Session()
        for scheme in ("http://", "https://"):
            made.mount(scheme, Adapter(pool_maxsize=options.pool, pool_block=options.block))
        made.trust_env = False
        if options.proxy:
            made.proxies = {"http": options.proxy, "https": options.proxy}
        return made

    shared = session()
    leaked = []

    def call(path: str) -> None:
        using = session() if options.new_session or options.leak else shared
        if options.leak:
            leaked.append(using)
        method, body = ("POST", b"x" * options.post) if options.post else ("GET", None)
        response = using.request(
            method,
            options.url + path,
            data=body,
            timeout=options.timeout,
            stream=bool(options.read_rate),
            verify=options.verify,
        )
        for piece in response.iter_content(4096):
            if options.read_rate:
                time.sleep(len(piece) / options.read_rate)
        if options.new_session:
            using.close()

    return call


def urllib3_call(options: argparse.Namespace) -> Call:
    import urllib3

    urllib3.disable_warnings()
    pool = urllib3.connection_from_url(
        options.url,
        maxsize=options.pool,
        block=options.block,
        timeout=options.timeout,
        retries=False,
        **({"cert_reqs": "CERT_REQUIRED" if options.verify else "CERT_NONE"} if "https" in options.url else {}),
        **socket_options(options),
    )

    def call(path: str) -> None:
        method, body = ("POST", b"x" * options.post) if options.post else ("GET", None)
        response = pool.request(method, path or "/", body=body, preload_content=False)
        for piece in response.stream(4096):
            if options.read_rate:
                time.sleep(len(piece) / options.read_rate)
        response.release_conn()

    return call


def socket_options(options: argparse.Namespace) -> dict[str, object]:
    """For urllib3's pools: its own option, TCP_NODELAY, and a receive buffer where one is asked for."""
    if not options.receive_buffer:
        return {}
    return {
        "socket_options": [
            (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),
            (socket.SOL_SOCKET, socket.SO_RCVBUF, options.receive_buffer),
        ]
    }


def httpx_call(options: argparse.Namespace) -> Call:
    import httpx

    limits = httpx.Limits(max_connections=None, max_keepalive_connections=options.pool, keepalive_expiry=60)

    def client() -> httpx.Client:
        return httpx.Client(
            verify=options.verify, limits=limits, timeout=options.timeout, proxy=options.proxy, trust_env=False
        )

    shared = client()

    def call(path: str) -> None:
        using = client() if options.new_session else shared
        if options.post:
            using.post(options.url + path, content=b"x" * options.post)
        else:
            using.get(options.url + path)
        if options.new_session:
            using.close()

    return call


def http_client_call(options: argparse.Namespace) -> Call:
    """One connection for each thread, as ``http.client`` has no pool."""
    place = urlsplit(options.url)
    kept = threading.local()

    def call(path: str) -> None:
        connection = getattr(kept, "connection", None)
        if connection is None or options.new_session:
            connection = kept.connection = http.client.HTTPConnection(place.netloc, timeout=options.timeout)
        method, body = ("POST", b"x" * options.post) if options.post else ("GET", None)
        connection.request(method, path or "/", body=body)
        connection.getresponse().read()
        if options.new_session:
            connection.close()

    return call


def log_what_is_sent(path: str) -> None:
    """Write "seconds port" when http.client, or what is built on it, sends a request."""
    send = http.client.HTTPConnection._send_output  # type: ignore[attr-defined]

    def send_and_log(self: http.client.HTTPConnection, *arguments: object, **keywords: object) -> None:
        send(self, *arguments, **keywords)  # connects first where it must
        with open(path, "a") as log:
            log.write(f"{time.time():.6f} {self.sock.getsockname()[1]}\n")

    http.client.HTTPConnection._send_output = send_and_log  # type: ignore[attr-defined]


async def aiohttp_run(options: argparse.Namespace) -> int:
    import aiohttp

    def session() -> aiohttp.ClientSession:
        connector = aiohttp.TCPConnector(limit=options.pool, ssl=options.verify, keepalive_timeout=60)
        return aiohttp.ClientSession(
            connector=connector, timeout=aiohttp.ClientTimeout(options.timeout), trust_env=False
        )

    failures = 0
    shared = session()

    async def work(worker: int) -> None:
        nonlocal failures
        for due, path in calls(options, worker):
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            using = session() if options.new_session else shared
            try:
                body = b"x" * options.post if options.post else None
                method = "POST" if options.post else "GET"
                async with using.request(method, options.url + path, data=body, proxy=options.proxy) as response:
                    await response.read()
            except (aiohttp.ClientError, TimeoutError) as error:
                failures += 1
                print(repr(error), file=sys.stderr)
            if options.new_session:
                await using.close()

    await asyncio.gather(*(work(worker) for worker in range(options.workers)))
    print("done", failures, flush=True)
    await asyncio.Event().wait()
    return failures


def calls(options: argparse.Namespace, worker: int) -> list[tuple[float, str]]:
    """When a worker calls, and for what; the workers are spread over the period."""
    began = time.monotonic() + options.period * worker / options.workers
    paths = options.path or [""]
    return [
        (began + number * options.period, paths[(worker + number) % len(paths)]) for number in range(options.requests)
    ]


def threads_run(options: argparse.Namespace, call: Call) -> int:
    def work(worker: int) -> int:
        failures = 0
        for due, path in calls(options, worker):
            time.sleep(max(0.0, due - time.monotonic()))
            try:
                call(path)
            except Exception as error:  # each library has its own; all are printed
                failures += 1
                print(repr(error), file=sys.stderr)
        return failures

    pool = ThreadPoolExecutor(options.workers)
    results = [pool.submit(work, worker) for worker in range(options.workers)]
    ended, waiting = wait(results, options.give_up)
    return sum(result.result() for result in ended) + len(waiting)


def main() -> None:
    options = arguments()
    options.url = options.url.rstrip("/")
    if options.sent:
        log_what_is_sent(options.sent)
    if options.library == "aiohttp":
        asyncio.run(aiohttp_run(options))
        return
    make = {
        "requests": requests_call,
        "urllib3": urllib3_call,
        "httpx": httpx_call,
        "http.client": http_client_call,
    }[options.library]
    call = make(options)
    print("done", threads_run(options, call), flush=True)
    threading.Event().wait()  # the pools stay alive in ``call``


if __name__ == "__main__":
    main()
