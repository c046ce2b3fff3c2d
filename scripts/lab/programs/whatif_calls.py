"""Python's HTTP clients under callers who think between their calls; prints "done" and stays alive and quiet.

    whatif_calls.py LIBRARY URL --workers 24 --requests 40 --think 0.03 [--pool 4] [--expiry 5] [--drop 0.02]

Each caller pauses for a random time of that mean (exponential) between an answer and its next call; the seed is fixed, so
two runs differ by what the machine does.  All callers share one client.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import threading
import time
from collections.abc import Callable

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("library", choices=("requests", "urllib3", "httpx", "aiohttp"))
parser.add_argument("url")
parser.add_argument("--workers", type=int, default=4)
parser.add_argument("--requests", type=int, default=20, help="of each caller")
parser.add_argument("--think", type=float, default=0.1, metavar="S")
parser.add_argument("--pool", type=int, default=10, help="idle connections kept")
parser.add_argument("--expiry", type=float, default=3600.0, metavar="S", help="idle timeout: httpx, aiohttp")
parser.add_argument("--drop", type=float, default=0.0, help="chance that the whole client is closed after a call")
OPTIONS = parser.parse_args()


def requests_client() -> tuple[Callable[[], object], Callable[[], object]]:
    import requests
    import urllib3
    from requests.adapters import HTTPAdapter

    session = requests.Session()
    session.trust_env = False
    session.verify = False  # the lab's certificates are its own
    urllib3.disable_warnings()
    for scheme in ("http://", "https://"):
        session.mount(scheme, HTTPAdapter(pool_maxsize=OPTIONS.pool))
    return lambda: session.get(OPTIONS.url), session.close


def urllib3_client() -> tuple[Callable[[], object], Callable[[], object]]:
    import urllib3

    pool = urllib3.PoolManager(maxsize=OPTIONS.pool)
    return lambda: pool.request("GET", OPTIONS.url), pool.clear


def httpx_client() -> tuple[Callable[[], object], Callable[[], object]]:
    import httpx

    limits = httpx.Limits(max_connections=None, max_keepalive_connections=OPTIONS.pool, keepalive_expiry=OPTIONS.expiry)
    client = httpx.Client(limits=limits, trust_env=False)
    return lambda: client.get(OPTIONS.url), client.close


def threads() -> None:
    call, close = globals()[f"{OPTIONS.library}_client"]()

    def work(worker: int) -> None:
        chance = random.Random(worker)
        time.sleep(chance.expovariate(1 / OPTIONS.think))
        for _ in range(OPTIONS.requests):
            call()
            if chance.random() < OPTIONS.drop:
                close()
            time.sleep(chance.expovariate(1 / OPTIONS.think))

    workers = [threading.Thread(target=work, args=(worker,)) for worker in range(OPTIONS.workers)]
    for one in workers:
        one.start()
    for one in workers:
        one.join()
    print("done", flush=True)
    time.sleep(3600)


async def tasks() -> None:
    import aiohttp

    connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=OPTIONS.expiry)
    async with aiohttp.ClientSession(connector=connector) as session:

        async def work(worker: int) -> None:
            chance = random.Random(worker)
            await asyncio.sleep(chance.expovariate(1 / OPTIONS.think))
            for _ in range(OPTIONS.requests):
                async with session.get(OPTIONS.url) as response:
                    await response.read()
                await asyncio.sleep(chance.expovariate(1 / OPTIONS.think))

        await asyncio.gather(*(work(worker) for worker in range(OPTIONS.workers)))
        print("done", flush=True)
        await asyncio.sleep(3600)


if __name__ == "__main__":
    sys.exit(asyncio.run(tasks()) if OPTIONS.library == "aiohttp" else threads())
