"""The programs that are watched: each with its mistake, how it is called, and the finding that must form."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

PORT = 8081  # of the service
FRONT_PORT = 8080  # of the service that calls it, which ab loads


@dataclass(frozen=True)
class Case:
    """One program against go/server on loopback.

    In commands ``{url}`` is the service, ``{front}`` the calling service, ``{go}`` the folder of the Go programs,
    ``{python}`` a Python that has requests, ``{folder}`` the case's own folder.

    Attributes:
        leads: findings of which one must form, and lead at the end; none: nothing above info may ever be told.
        client: says "done" or ends when its load is through.
        front: runs beside, for all of the time.
        files: of scripts/fixes/programs, copied to the folder under these names.
        options: of ``pcapdiag live``, both times.
        saving: of the one that keeps the packets.
        rest_s: from the end of the load to that of the captures, at which nothing may be under way.
    """

    name: str
    description: str
    leads: tuple[str, ...]
    client: tuple[str, ...]
    server: tuple[str, ...] = ()
    front: tuple[str, ...] = ()
    files: Mapping[str, str] = field(default_factory=dict)
    options: tuple[str, ...] = ()
    saving: tuple[str, ...] = ()
    rest_s: float = 1.5


def go_client(*flags: str) -> tuple[str, ...]:
    return ("{go}/client", "-url", "{url}", *flags)


def front(*flags: str) -> tuple[str, ...]:
    return ("{go}/frontsvc", "-addr", f"127.0.0.1:{FRONT_PORT}", "-backend", "{url}", *flags)


def ab(*runs: tuple[int, int]) -> tuple[str, ...]:
    """ab so often, requests and how many at once, with pauses in which an idle pool can be counted."""
    calls = [f"ab -q -n {requests} -c {at_once} {{front}}" for requests, at_once in runs]
    return ("sh", "-ec", "; sleep 2.5; ".join(calls))


NEW_TRANSPORT = go_client("-mode", "new-transport", "-load", "4x50@200ms")
POOL_OF_2 = front("-mode", "shared-default")
SLOWER = ("-delay", "80ms", "-size", "32")

CASES = (
    Case(
        "new-transport",
        "Go, a new http.Transport for each request",
        ("never-reuse-new-transport",),
        NEW_TRANSPORT,
    ),
    Case(
        "body-not-closed",
        "Go, response bodies never closed; the server closes after 2 s",
        ("body-not-closed",),
        go_client("-mode", "shared-default", "-body", "leak", "-load", "4x50@200ms"),
        ("-idle-timeout", "2s"),
        rest_s=3.5,
    ),
    Case(
        "disable-keepalives",
        "Go, DisableKeepAlives",
        ("never-reuse-keepalive-disabled",),
        go_client("-mode", "disable-keepalives", "-load", "4x200@50ms"),
    ),
    Case(
        "pool-of-2",
        "Go, MaxIdleConnsPerHost 2 in a service under 100 concurrent requests",
        ("idle-pool-too-small",),
        ab((3000, 100), (2000, 100)),
        SLOWER,
        POOL_OF_2,
    ),
    Case(
        "pool-overflow",
        "Go, MaxIdleConnsPerHost 13 under 24: overflow now and then, after some requests",
        ("idle-pool-too-small",),
        ab((2400, 24), (2400, 24)),
        ("-delay", "20ms", "-size", "32"),
        front("-mode", "transport", "-per-host", "13", "-max-idle", "13"),
    ),
    Case(
        "max-requests-6",
        "a server that closes after each sixth response",
        ("server-max-requests",),
        go_client("-mode", "transport", "-per-host", "20", "-idle-timeout", "90s", "-together", "-load", "6x80@120ms"),
        ("-max-requests", "6"),
    ),
    Case(
        "requests-no-session",
        "Python requests, requests.get() for each call",
        ("never-reuse-keepalive-disabled", "never-reuse-new-transport"),
        ("{python}", "{folder}/main.py", "{url}", "4", "40", "250"),
        files={"main.py": "python/drive.py", "call.py": "python/requests_session.py"},
    ),
    Case(
        "node-no-keepalive",
        "Node.js, http.Agent without keepAlive",
        ("never-reuse-keepalive-disabled",),
        ("node", "{folder}/main.js", "{url}", "4", "60", "150"),
        files={"main.js": "node/drive.js", "call.js": "node/agent_keepalive.js"},
    ),
    Case(
        "shared-transport",
        "Go, one Transport with room for all: healthy",
        (),
        go_client("-mode", "transport", "-max-idle", "20", "-per-host", "20", "-together", "-load", "6x80@120ms"),
        ("-delay", "5ms"),
    ),
    Case(
        "by-dumpcap",
        "new-transport, captured by dumpcap",
        ("never-reuse-new-transport",),
        NEW_TRANSPORT,
        options=("--program", "dumpcap"),
    ),
    Case(
        "by-scapy",
        "new-transport, captured by the package's own sniffer",
        ("never-reuse-new-transport",),
        NEW_TRANSPORT,
        options=("--program", "scapy"),
    ),
    Case(
        "rotated",
        "pool-of-2, kept in files of 64 KiB",
        ("idle-pool-too-small",),
        ab((3000, 100), (1000, 100)),
        SLOWER,
        POOL_OF_2,
        saving=("--rotate-size", "64k"),
    ),
)
