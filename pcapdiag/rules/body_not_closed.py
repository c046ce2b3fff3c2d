"""Responses are received and then held: their connections can neither be reused nor given up.

What it looks at
    The same connections as never-reuse-new-transport (one request each, left open while new ones are dialled), and what
    happened on them later: whether the client answered the server's FIN, whether its receive window closed in the
    middle of a response, how much of its window a large response still takes.

Claims
    The program never closed the response's body, or never read it to its end: the library keeps the connection
    checked out.  CLOSE_WAIT after the server's FIN, or a window that stays closed, is the proof; without either both
    explanations are said.

Never claims
    That small bodies were left unread when the packets cannot show it.

Why it matters
    Connections pile up, in ESTABLISHED or, once the server has closed, in CLOSE_WAIT, until file descriptors run out.
    No idle timer of the client helps: for the library the connection is in use.

What to change
    Close the body on every path, and read it to its end where the connection is to be reused.

False alarms
    Clients that notice a FIN only at the next use (requests, urllib3, httpx, libcurl, Ruby) leave healthy idle connections
    in CLOSE_WAIT: of those an unanswered FIN proves nothing, and both explanations are said.  A program's end answers
    every FIN in one moment, a second or more late: that counts as unanswered.  It also resets the connections whose window
    was shut for a second or more by then; a timeout would close each after the same wait.

References
    https://pkg.go.dev/net/http ("The caller must close the response body when finished with it")
"""

from __future__ import annotations

from pcapdiag.model.report import Finding
from pcapdiag.model.words import Cause, Severity
from pcapdiag.pools.pool import Pool
from pcapdiag.rules.never_reuse_new_transport import abandoned_finding, leads_unread, weighed
from pcapdiag.rules.rule import Desk, Need, NotJudged, Rule


class BodyNotClosed(Rule):
    code = "PD202"
    name = "body-not-closed"
    title = "Response bodies are never closed: connections stay checked out"
    severity = Severity.HIGH
    needs = (Need.STARTS,)
    explains = (
        Cause.SERVER_IDLE_TIMEOUT,
        Cause.IDLE_TIMEOUT_TOO_SHORT,
        Cause.IDLE_TIMEOUT_NONE,
        Cause.TLS_NO_REUSE,
        Cause.ZERO_WINDOW,
        Cause.CLIENT_ABORT,  # what its end leaves unanswered are the responses that nobody read
    )

    def judge(self, pool: Pool, desk: Desk) -> Finding | NotJudged | None:
        seen = weighed(pool, desk)
        if seen is None or not leads_unread(pool, desk, seen):
            return None
        return abandoned_finding(self, pool, desk, seen)
