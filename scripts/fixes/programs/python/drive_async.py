"""main.py URL CALLERS CALLS PERIOD_MS: tasks that call together, CALLS times, a period apart; then alive and quiet.

program, in a module of its own, makes what it calls with and hands over what one call is; the mistake is there.
"""

import asyncio
import sys
import time

from call import program

url, callers, calls, period = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]) / 1000


async def load(call) -> None:
    began = time.monotonic()

    async def caller() -> None:
        for nth in range(calls):
            await asyncio.sleep(max(0.0, began + period * nth - time.monotonic()))
            await call(url)

    await asyncio.gather(*(caller() for _ in range(callers)))
    print("done", flush=True)
    await asyncio.Event().wait()


asyncio.run(program(load))
