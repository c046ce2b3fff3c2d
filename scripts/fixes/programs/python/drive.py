"""main.py URL CALLERS CALLS PERIOD_MS: threads that call together, CALLS times, a period apart; then alive and quiet.

call, in a module of its own, is what one of them does; the mistake is there.
"""

import sys
import threading
import time

from call import call

url, callers, calls, period = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]) / 1000
began = time.monotonic()
failures: list[Exception] = []


def caller() -> None:
    try:
        for nth in range(calls):
            time.sleep(max(0.0, began + period * nth - time.monotonic()))
            call(url)
    except Exception as error:
        failures.append(error)


threads = [threading.Thread(target=caller) for _ in range(callers)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
if failures:
    raise failures[0]
print("done", flush=True)
threading.Event().wait()
