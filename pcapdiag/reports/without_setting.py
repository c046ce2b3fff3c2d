"""What to do about a cause where no setting of the two programs is known for it, by hand or in the program's own code."""

from __future__ import annotations

from pcapdiag.model.words import Cause

NONE_KNOWN = "No setting is known that changes this."

ONE_CLIENT = (
    "Let one client make all the calls: one client object, or one process, for the life of the program, and each response "
    "read to its end."
)
STOPS = "Let it end in order: take nothing new, answer what is open, then close."

WAYS = {
    Cause.NEVER_REUSE_NEW_TRANSPORT: ONE_CLIENT,
    Cause.NEVER_REUSE_KEEPALIVE_DISABLED: (
        "Let one client make all the calls, for the life of the program, and look for what makes it close: an option, a "
        "header, a call."
    ),
    Cause.TLS_NO_REUSE: ONE_CLIENT,
    Cause.BODY_NOT_CLOSED: "Read each response to its end and close it, on every path through the code.",
    Cause.BODY_NOT_DRAINED: "Read each response to its end before it is closed.",
    Cause.IDLE_POOL_TOO_SMALL: "Look in the client for how many idle connections it keeps, and raise it.",
    Cause.IDLE_TIMEOUT_TOO_SHORT: "Look in the client for how long it keeps idle connections, and raise it.",
    Cause.CONNECTION_LIFETIME: "Look in the client for a limit on the age of its connections, and raise it.",
    Cause.CLIENT_MAX_REQUESTS: "Look in the client for a limit on the requests of one connection, and raise it.",
    Cause.CLIENT_REQUEST_TIMEOUT: "Look in the client for the timeout of its requests.",
    Cause.MAX_CONNS_CAP: "Look in the client for how many connections it may open, and raise it.",
    Cause.SERVER_IDLE_TIMEOUT: "Look in the server for how long it keeps idle connections, and raise it.",
    Cause.SERVER_MAX_REQUESTS: "Look in the server for a limit on the requests of one connection, and raise it.",
    Cause.SERVER_CONNECTION_CLOSE: "Look in the server, and in what stands in front of it, for keep-alive switched off.",
    Cause.SERVER_RESTART: STOPS,
    Cause.CLIENT_ABORT: "Look at the client's log and supervisor for that moment: a crash, a kill, a deployment.",
    Cause.SLOW_SERVER: "Make these requests faster on the server.",
    Cause.UNUSED_CONNECTIONS: "Find who opens them and for what: a warm-up, a health check, a pool that dials ahead.",
}


def way(cause: Cause) -> str:
    """A sentence on where to look; "" where the finding has to speak for itself."""
    return WAYS.get(cause, "")
