"""The server ends each connection after a constant number of requests.

What it looks at
    Connections seen from their start whose last response says Connection: close though the request had not; how many
    requests they had carried; whether any connection carried more.

Claims
    The server's cap on requests per connection, exactly.

Never claims
    A cap where fewer than three connections reached it, or where counts scatter.

Why it matters
    Every Nth request pays a handshake; at a low cap and a high rate that is most of the work, and each close leaves a
    TIME_WAIT.

What to change
    Raise the server's cap: it exists to free memory now and then, not to limit clients.

False alarms
    An idle pool that overflows also gives small counts, but scattered ones, closed by the client without a signal.
    Either side may send the first FIN after the announcement.  A stop of the server takes connections of equal counts
    at one moment: server-restart.  A request that the client sends after the server's FIN counts for nothing.

References
    https://nginx.org/en/docs/http/ngx_http_core_module.html#keepalive_requests;
    https://httpd.apache.org/docs/2.4/mod/core.html#maxkeepaliverequests (serves one more than it says)
"""

from __future__ import annotations

from dataclasses import replace

from pcapdiag.model.report import CauseClaim, Finding
from pcapdiag.model.words import Basis, Cause, Confidence, Knob, Severity, Side
from pcapdiag.pools.caps import request_cap
from pcapdiag.pools.pool import Pool
from pcapdiag.rules.rule import Desk, Need, NotJudged, Rule, by_count, finding, life_frames, many
from pcapdiag.settings import catalog

# At a cap of 1,000 (nginx's default) one request in a thousand pays a handshake: a fact, no fault.
HARMLESS = 500


class ServerMaxRequests(Rule):
    code = "PD303"
    name = "server-max-requests"
    title = "The server closes each connection after a constant number of requests"
    severity = Severity.MEDIUM
    needs = (Need.STARTS, Need.CLOSES)
    explains = (Cause.TLS_NO_REUSE,)

    def judge(self, pool: Pool, desk: Desk) -> Finding | NotJudged | None:
        cap = request_cap(pool)
        if cap is None:
            return None
        c = pool.connections
        cause = Cause.SERVER_MAX_REQUESTS
        per_second = pool.opens_per_second or 0.0
        if cap.value >= HARMLESS:
            severity = Severity.INFO
        elif cap.value <= 20 or per_second >= 10:
            severity = Severity.MEDIUM
        else:
            severity = Severity.LOW
        product = desk.server_id(pool)
        setting = cap.value - 1 if product == "apache" else cap.value
        matches = catalog.match_default(Knob.MAX_REQUESTS, "server", cap.value, cap.value, who=desk.server_of(pool))
        said = "the last response said Connection: close" if cap.announced else "the server closed at once after it"
        closers = {
            "server": int((c.closer[cap.rows] == Side.SERVER).sum()),
            "client": int((c.closer[cap.rows] == Side.CLIENT).sum()),
        }
        claim = (
            f"{many(cap.count, 'connection')} carried exactly {cap.value:,} requests and then ended: {said}. "
            f"No connection carried more. The first FIN came from the server on {closers['server']:,} and from the "
            f"client on {closers['client']:,}" + ("; after the announcement that is chance." if cap.announced else ".")
        )
        if product == "apache":
            claim += f" Apache serves one more than MaxKeepAliveRequests says: it is set to {setting}."
        if matches:
            claim += f" That {matches[0].text}."
        settings = desk.advice(
            pool,
            Knob.MAX_REQUESTS,
            cause,
            role="server",
            inferred=str(setting),
            values={"value": "10000"},
        )
        if not settings and product is not None:
            settings = desk.advice(
                pool, Knob.KEEPALIVE_SWITCH, cause, role="server", inferred=f"every {cap.value} requests"
            )
        if product is None and not desk.server_of(pool).known:
            # Go's server has no cap: there a handler, or a middleware, says Connection: close.
            own = catalog.advice(
                Knob.KEEPALIVE_SWITCH, "go-net-http-server", inferred=None, recommended=None, values={}, role="server"
            )
            settings += tuple(
                replace(one, role="server", recognised=False) for one in own if one.name.startswith("Connection: close")
            )
        return finding(
            self,
            pool,
            severity=severity,
            confidence=by_count(cap.count, 10),
            basis=Basis.OBSERVED if cap.announced else Basis.INFERRED,
            title=f"The server ends each connection after {cap.value:,} requests",
            claim=claim,
            measured={
                "connections": pool.size,
                "requests": pool.requests,
                "max_requests": cap.value,
                "closed_at_cap": cap.count,
                "first_fin_by_server": closers["server"],
                "first_fin_by_client": closers["client"],
                "opens_per_second": round(per_second, 2),
            },
            causes=[CauseClaim(cause, Confidence.HIGH if cap.announced else Confidence.MEDIUM, "", settings)],
            evidence=[
                desk.evidence(
                    pool,
                    row,
                    life_frames(pool, row),
                    f"{cap.value} requests, "
                    + (
                        "the last response announces the close"
                        if cap.announced
                        else "then closed at once by the server"
                    ),
                )
                for row in cap.rows[:3].tolist()
            ],
            would_refute=f"A connection of this pool that carries more than {cap.value:,} requests.",
            not_the_fix=desk.not_the_fix(pool, cause),
        )
