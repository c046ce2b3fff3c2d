"""Each rule beside its look-alikes, on timelines: it fires, it stays quiet where its page says so, it says what it lacks."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import test_rules_opening as opening
from analyses import above_info, judged, judgement
from tables import Life, Use, pool, pools
from test_capacity import bursts, evicting
from test_caps import capped
from test_rules_aborts import back, cut, dying, idle_stop, ignored, killed, race, refused, resets, timed_out, upload
from test_rules_capacity import aged, careless, counted, full, halves, keeping, left, tunnels
from test_rules_delay import DELAY_FIRES, DELAY_QUIET

from pcapdiag.model.flags import BOUND, REQUEST_HTTP10, RESPONSE_HTTP10, TLS_CLIENT_ALERT
from pcapdiag.model.report import Finding
from pcapdiag.model.words import Count, Protocol, Severity
from pcapdiag.pools.pool import Pool
from pcapdiag.rules.never_reuse_keepalive_disabled import single_use
from pcapdiag.rules.rule import NotJudged


def found(rule: str, one: Pool) -> Finding | None:
    """The rule's finding, None when it is quiet."""
    outcome = judged(rule, one)
    assert not isinstance(outcome, NotJudged)
    return outcome


# -- kinds of traffic


def shared(workers: int = 4, rounds: int = 30) -> list[Life]:
    """A shared client: each worker's connection carries all its requests."""
    return [
        Life(0.001 * w, [(0.1 * n + 0.01 * w + 0.01, 0.1 * n + 0.01 * w + 0.015) for n in range(rounds)])
        for w in range(workers)
    ]


def one_each(
    count: int = 20,
    every: float = 0.3,
    silence: float | None = None,
    by: str = "client",
    answer: float | str | None = None,
    request_close: bool = False,
    response_close: bool = False,
    status: int = 200,
) -> list[Life]:
    """A connection for each request, closed after its silence or left open."""
    lives = []
    for n in range(count):
        at = every * n
        use = Use(at + 0.003, at + 0.01, request_close, response_close, status)
        closed = None if silence is None else at + 0.01 + silence
        reply = None if closed is None else closed + answer if isinstance(answer, float) else answer
        lives.append(Life(at, [use], closed, by, answer=reply))
    return lives


def spaced(period: float, timer: float, by: str, uses: int = 2, count: int = 8) -> list[Life]:
    """A request pair each period on a connection that a timer closed before the next."""
    lives = []
    for n in range(count):
        at = period * n
        exchanges = [(at + 0.002 + 0.02 * k, at + 0.01 + 0.02 * k) for k in range(uses)]
        lives.append(Life(at, exchanges, exchanges[-1][1] + timer + 0.0005 * (n % 3), by))
    return lives


def undrained(count: int = 10, reset: bool = True, complete: bool = False) -> list[Life]:
    """The client closes 2 ms after the response began, and resets the rest of it."""
    lives = []
    for n in range(count):
        at = 0.2 * n
        one = Life(at, [Use(at + 0.003, at + 0.01, size=60_000)], at + 0.012)
        if reset:
            one.columns["client_rst_at"] = int((1_700_000_000 + at + 0.0125) * 1e9)
        if not complete:
            one.columns["open_request"] = 1
        lives.append(one)
    return lives


def sessions(turns: int = 12) -> list[Life]:
    """Connections of as many turns each, one after the other, all left open."""
    lives = []
    for n in range(20):
        uses = [(0.5 * n + 0.002 * k + 0.001, 0.5 * n + 0.002 * k + 0.002) for k in range(1, turns + 1)]
        lives.append(Life(0.5 * n, uses, columns={"basis": int(Count.TURNS)}))
    return lives


def spare(count: int = 17, seconds: float = 40.0, steady: bool = True) -> list[Life]:
    """A burst, then one connection works on and the others wait."""
    waiting = [Life(0.001 * n, [(0.1, 0.2)]) for n in range(count)]
    times = [1.0 + n for n in range(int(seconds) - 1)] if steady else [seconds - 0.5]
    return [*waiting, Life(0.0, [(0.1, 0.2)] + [(at, at + 0.01) for at in times])]


Make = Callable[[], list[Life]]
END = 60.0


def of(lives: list[Life], end: float = END, protocol: Protocol = Protocol.HTTP1, rtt: float = 0.001) -> Pool:
    return pool(lives, end=end, protocol=protocol, rtt=rtt)


FIRES: dict[str, list[tuple[str, Pool]]] = {
    "healthy": [
        ("a shared client", of(shared())),
        ("one connection", of(shared(1))),
        ("long pauses within the timers", of(spaced(3.0, 40.0, "client", uses=5, count=1) + shared())),
    ],
    "never-reuse-new-transport": [
        ("left open", of(one_each())),
        ("cleared by the client's own timer", of(one_each(silence=2.0))),
        ("cleared by the server, answered at once", of(one_each(silence=3.0, by="server", answer=0.001))),
        ("over 200 ms", of(one_each(every=1.5), rtt=0.2)),
    ],
    "body-not-closed": [
        ("the server's FIN is never answered", of(one_each(silence=3.0, by="server", answer="never"))),
    ],
    "never-reuse-keepalive-disabled": [
        ("the request asks for the close", of(one_each(silence=0.001, request_close=True))),
        ("the request asks, the server closes first", of(one_each(silence=0.001, by="server", request_close=True))),
        ("a process for each request", of(one_each(silence=0.002))),
        ("TLS: the headers cannot be seen", of(one_each(silence=0.001, by="server"), protocol=Protocol.TLS)),
    ],
    "body-not-drained": [
        ("the rest of the response meets RST", of(undrained())),
        ("the response had just ended", of(undrained(complete=True))),
    ],
    "idle-pool-too-small": [
        ("bursts of 20 over a pool of 2", of(bursts(2, 20))),
        ("a pool of 10", of(bursts(10, 20))),
        ("speculative dials", of(bursts(2, 10, unused=3))),
        ("a pool that closes the one idle longest", of(evicting(3, 12, leave=4.9))),
        ("TLS", of(bursts(2, 20), protocol=Protocol.TLS)),
    ],
    "idle-timeout-too-short": [
        ("a timer of 1 s and a request each 1.5 s", of(spaced(1.5, 1.0, "client"))),
        ("a timer of 4 s and a request each 10 s", of(spaced(10.0, 4.0, "client"), end=100)),
    ],
    "server-idle-timeout": [
        ("a timer of 2 s and requests each 3 s", of(spaced(3.0, 2.0, "server"))),
        ("one request each, so nothing was reused", of(spaced(3.0, 2.0, "server", uses=1))),
    ],
    "server-max-requests": [
        ("six requests and an announcement", of(capped([6] * 6))),
        ("the client closes first after it", of(capped([6] * 6, by="client"))),
        ("no announcement to be seen under TLS", of(capped([6] * 6, announced=False), protocol=Protocol.TLS)),
    ],
    "server-connection-close": [
        ("each response announces the close", of(one_each(silence=0.001, by="server", response_close=True))),
        ("no response announces it", of(one_each(silence=0.001, by="server"))),
        ("the client closes first after it", of(one_each(silence=0.001, response_close=True))),
    ],
    "idle-timeout-none": [
        ("seventeen of eighteen wait", of(spare(), end=40.0)),
    ],
    "connect-refused": [
        ("all of them", of(opening.refused(10))),
        ("after healthy traffic", of([*opening.answered(20), *opening.refused(20, start=5.0)])),
    ],
    "connect-timeout": [
        ("all of them", of(opening.unanswered(10))),
        ("after healthy traffic", of([*opening.answered(14), *opening.unanswered(11, start=4.0)])),
    ],
    "backlog-overflow": [
        ("SYNs dropped", of([*opening.answered(40), *opening.late(8, start=0.05, every=0.3, syns=4, wait=3.0)])),
        ("the handshakes' ACKs dropped", of([*opening.answered(4), *opening.deaf(8)])),
    ],
    "tls-handshake-failure": [
        ("alerts", of(opening.handshakes(10, opening.FAILED | TLS_CLIENT_ALERT, tls_alert=49), protocol=Protocol.TLS)),
    ],
    "protocol-mismatch": [
        ("plain HTTP to a TLS port", of(opening.answered(10, mismatch=1))),
        ("TLS to a plain port", of(opening.answered(10, mismatch=2), protocol=Protocol.TLS)),
    ],
    "tls-no-reuse": [
        ("a handshake for each request", of(opening.calls(20), protocol=Protocol.TLS)),
    ],
    "unused-connections": [
        ("forty in eight seconds", of(opening.spares(40))),
    ],
    "port-exhaustion": [
        ("a narrow range", of(opening.ported(opening.narrow(60)))),
    ],
    "max-conns-cap": [("four that are all busy", of(full()))],
    "client-max-requests": [("six requests each, by the client", of(counted()))],
    "connection-lifetime": [("an age of 5 s under uneven use", of(aged()))],
    "close-wait-leak": [("a pool whose FINs nobody answers", of(left(), end=10.0))],
    "half-closed": [("two seconds between the FINs", of(halves()))],
    "mixed-pool": [("one keeps, one never does", pools([*keeping(), *careless(24)], end=12.0)[0])],
    "connect-tunnel": [("CONNECT", tunnels()), ("WebSocket", tunnels(method="GET", status=101))],
    "client-request-timeout": [
        ("after one second", of(timed_out())),
        ("TLS", of(timed_out(), protocol=Protocol.TLS)),
        ("over 200 ms", of(timed_out(), rtt=0.2)),
    ],
    "keepalive-race": [
        ("the FIN crosses the request", of(race(), rtt=0.05)),
        ("once", of(race(1) + shared(), rtt=0.05)),
        ("TLS", of(race(), rtt=0.05, protocol=Protocol.TLS)),
    ],
    "client-ignores-fin": [("three seconds after the FIN", of(ignored()))],
    "server-abort": [
        ("killed", of(dying())),
        ("resets in mid-exchange", of(resets(12))),
        ("TLS", of(dying(), protocol=Protocol.TLS)),
    ],
    "server-restart": [
        (
            "idle for all kinds of times, then refused",
            of([*idle_stop([0.1, 0.9, 2.2, 3.5]), refused(10.3), *back(11.5)]),
        ),
    ],
    "client-abort": [("killed and started again", of([*killed(), *back(7.0)]))],
    "server-rejects-upload": [("413 and a reset in mid-body", cut(of(upload())))],
}

QUIET: dict[str, list[tuple[str, Pool]]] = {
    "healthy": [
        ("one request each", of(one_each())),
        ("a pool that overflows more than it keeps", of(bursts(1, 20))),
        ("a database session of many turns for each query, left idle", of(sessions(), protocol=Protocol.POSTGRES)),
    ],
    "never-reuse-new-transport": [
        ("a shared client", of(shared())),
        ("bodies never closed: the FIN is never answered", of(one_each(silence=3.0, by="server", answer="never"))),
        ("keep-alive switched off", of(one_each(silence=0.001, request_close=True))),
        ("an idle pool that overflows", of(bursts(2, 20))),
        ("the timer is shorter than the period", of(spaced(3.0, 2.0, "client", uses=1))),
        ("several programs that each keep a connection", of(shared(10, 5))),
        ("a burst on which nothing was idle", of([Life(0.001 * n, [(0.1, 1.0)]) for n in range(20)])),
        ("two requests each", of(capped([2] * 10, announced=False, by="client"))),
    ],
    "body-not-closed": [
        ("a pool that nobody asks: the FIN is answered at once", of(one_each(silence=3.0, by="server", answer=0.001))),
        ("a client that looks only now and then, of used connections", of(spaced(6.0, 2.0, "server", uses=5))),
        ("nothing decides", of(one_each())),
    ],
    "never-reuse-keepalive-disabled": [
        ("an idle pool that overflows and is reused", of(bursts(10, 15))),
        ("the response asks first", of(one_each(silence=0.001, by="server", response_close=True))),
        ("the client's idle timer", of(spaced(3.0, 2.0, "client", uses=1))),
        ("a new pool for each request", of(one_each())),
        ("the server closes at once, unasked", of(one_each(silence=0.001, by="server"))),
        ("three connections", of(one_each(3, silence=0.001, request_close=True))),
    ],
    "body-not-drained": [
        ("the body arrived whole and nothing was reset", of(one_each(silence=0.001))),
        ("a request timeout: nothing came", of([Life(n, [Use(n + 0.1, None)], n + 1.1) for n in range(9)])),
        ("keep-alive switched off", of(one_each(silence=0.001, request_close=True))),
        ("a user who cancels now and then", of(undrained(3) + shared() + spaced(3.0, 2.0, "client", uses=1, count=10))),
    ],
    "idle-pool-too-small": [
        ("the server's request cap", of(capped([6] * 20))),
        ("the cap, announced, closed by the client", of(capped([6] * 20, by="client"))),
        ("a program's end", of([Life(0.0, [(at + 0.01, at + 0.02) for at in range(9)], 8.025) for _ in range(6)])),
        ("keep-alive switched off without a signal", of(one_each(silence=0.001))),
        ("a pool with room", of(bursts(20, 20))),
        ("a timer that empties the pool", of(spaced(3.0, 2.0, "client", uses=4))),
        (
            "a lifetime limit",
            of(
                [
                    Life(at, [(at + 0.01 + 0.5 * k, at + 0.3 + 0.5 * k) for k in range(6)], at + 2.81)
                    for slot in range(3)
                    for at in (slot + 3.0 * n for n in range(5))
                ]
            ),
        ),
    ],
    "idle-timeout-too-short": [
        ("the server closes", of(spaced(3.0, 2.0, "server"))),
        ("nobody came back", of(spaced(3.0, 2.0, "client", count=3))),
        ("a program's end", of([Life(0.001 * n, [(0.1, 0.2)], 9.0 + 0.002 * n) for n in range(20)])),
        ("reuse is missed within the timer", of(one_each(silence=2.0))),
        ("closes at once", of(one_each(silence=0.01))),
        ("others were idle at hand", of([*spaced(3.0, 2.0, "client"), *shared(2, 3)])),
    ],
    "server-idle-timeout": [
        ("the client closes", of(spaced(3.0, 2.0, "client"))),
        (
            "a server that stops closes all at once",
            of([Life(0.001 * n, [(0.1, 0.2)], 5.0, "server") for n in range(9)]),
        ),
        ("announced closes", of(capped([6] * 9))),
    ],
    "server-max-requests": [
        ("an idle pool that overflows", of(bursts(2, 20))),
        ("scattered counts", of(capped([3, 5, 2, 6, 4, 6, 1, 2]))),
        ("the client stops after six each", of(capped([6] * 8, announced=False, by="client"))),
        ("one request each", of(one_each(silence=0.001, by="server", response_close=True))),
    ],
    "server-connection-close": [
        ("the request asked first", of(one_each(silence=0.001, by="server", request_close=True, response_close=True))),
        ("a cap greater than one", of(capped([6] * 9))),
        ("errors close on purpose", of(one_each(silence=0.001, by="server", response_close=True, status=503))),
        ("no announcement, and the client closes first", of(one_each(silence=0.001, by="client"))),
    ],
    "idle-timeout-none": [
        ("a pool that waits for the next burst", of(spare(steady=False), end=40.0)),
        ("a few spare connections", of(spare(5), end=40.0)),
        ("not idle for long enough to tell", of(spare(seconds=10.0), end=10.0)),
        ("a new pool for each request", of(one_each(40, every=0.5), end=60)),
        ("tunnels", tunnels()),
    ],
    "connect-refused": [
        ("answered dials", of(opening.answered(20))),
        ("silence instead of RST", of(opening.unanswered(10))),
        ("a client that waits for the server to start", of([*opening.refused(10), *opening.answered(10, start=9.0)])),
    ],
    "connect-timeout": [
        ("refused", of(opening.refused(10))),
        ("two lost dials of fifty", of([*opening.answered(48), *opening.unanswered(2, start=1.1)])),
        ("answered at the second SYN", of([*opening.answered(40), *opening.late(8)])),
    ],
    "backlog-overflow": [
        (
            "the path loses data as well",
            of([*opening.answered(40, uses=3, client_retransmitted=1), *opening.late(6, start=0.05)]),
        ),
        ("the path's MTU", of([*opening.answered(10), *opening.deaf(8, size=1400)])),
        ("dials that all go unanswered", of([*opening.answered(14), *opening.unanswered(11, start=4.0)])),
    ],
    "tls-handshake-failure": [
        ("dialled in advance", of([*opening.calls(10), *opening.handshakes(10, opening.DONE)], protocol=Protocol.TLS)),
        ("TCP health checks", of([Life(2.0 * n, [], 2.0 * n + 0.01) for n in range(10)])),
        ("a handshake for each request", of(opening.calls(20), protocol=Protocol.TLS)),
    ],
    "protocol-mismatch": [
        ("bad requests", of(one_each(silence=0.001, by="server", response_close=True, status=400))),
        ("failed handshakes", of(opening.handshakes(10, opening.FAILED | TLS_CLIENT_ALERT), protocol=Protocol.TLS)),
    ],
    "tls-no-reuse": [
        ("two requests each", of(opening.calls(20, uses=2), protocol=Protocol.TLS)),
        ("failed handshakes", of(opening.handshakes(10, opening.FAILED | TLS_CLIENT_ALERT), protocol=Protocol.TLS)),
        ("a shared client", of(shared(), protocol=Protocol.TLS)),
    ],
    "unused-connections": [
        ("health checks", of([Life(2.0 * n, [], 2.0 * n + 0.001) for n in range(25)])),
        ("speculative dials", of(bursts(2, 10, unused=3))),
        ("one request each", of(one_each())),
    ],
    "port-exhaustion": [
        ("a request each 300 ms", of(one_each(silence=0.001))),
        ("the server closes first", of(one_each(200, every=0.02, silence=0.001, by="server"))),
    ],
    "max-conns-cap": [
        ("callers that pause", of(shared())),
        ("an idle pool that overflows", of(bursts(2, 20))),
        ("one caller in a loop", of(full(1, 60))),
    ],
    "client-max-requests": [
        ("the server's request cap, announced", of(capped([6] * 8, by="client"))),
        ("an idle pool that overflows", of(bursts(2, 20))),
        ("a limit on age", of(aged())),
        ("the client's idle timer behind two requests", of(spaced(3.0, 2.0, "client"))),
    ],
    "connection-lifetime": [
        ("six requests each", of(counted())),
        ("the server's request cap", of(capped([6] * 8))),
        ("the client's idle timer", of(spaced(3.0, 2.0, "client"))),
        ("the server's idle timer", of(spaced(3.0, 2.0, "server"))),
    ],
    "close-wait-leak": [
        ("the FIN is answered at once", of(left(answer=0.001), end=10.0)),
        ("used once: a body that is never closed", of(one_each(silence=3.0, by="server", answer="never"))),
    ],
    "half-closed": [
        ("the FIN is answered at once", of(halves(wait=0.001))),
        ("never answered", of(one_each(silence=3.0, by="server", answer="never"))),
    ],
    "connect-tunnel": [("a new pool for each request", of(one_each()))],
    "mixed-pool": [
        ("a shared client", of(shared())),
        ("a new pool for each request", of(one_each())),
        ("an idle pool that overflows", of(bursts(2, 20))),
        ("spare connections of a burst", of(spare(), end=40.0)),
    ],
    "client-request-timeout": [
        ("killed at one moment", of([*killed(), *back(7.0)])),
        ("the server resets", of(resets(12))),
        ("responses closed as they begin", of(undrained())),
        ("idle connections closed", of(spaced(3.0, 2.0, "client"))),
    ],
    "keepalive-race": [
        ("idle connections closed, nothing on its way", of(spaced(3.0, 2.0, "server"))),
        ("requests long after the FIN", of(ignored())),
        ("killed", of(dying())),
    ],
    "client-ignores-fin": [
        ("a race", of(race(), rtt=0.05)),
        ("idle connections closed", of(spaced(3.0, 2.0, "server"))),
    ],
    "server-abort": [
        ("a race", of(race(8), rtt=0.05)),
        ("requests given up by the client", of(timed_out())),
        ("a stop with nothing open", of([*idle_stop([0.1, 0.9, 2.2, 3.5]), refused(10.3)])),
        ("uploads that are answered first", cut(of(upload()))),
    ],
    "server-restart": [
        ("requests open", of(dying())),
        ("an idle timer after a burst", of(idle_stop([3.0, 3.0, 3.001, 3.0]))),
        ("a request cap", of(capped([6] * 9))),
        ("an idle timer", of(spaced(3.0, 2.0, "server"))),
    ],
    "client-abort": [
        ("a timeout", of(timed_out())),
        ("a normal end", of(killed(lost=0))),
        ("the server's end", of(dying())),
    ],
    "server-rejects-upload": [
        ("a reset without an answer", of(resets(12))),
        ("closes that are announced", of(capped([6] * 9))),
    ],
}
FIRES |= DELAY_FIRES
QUIET |= DELAY_QUIET


# Rules whose pattern the vocabulary of causes has under another word.
OTHER_WORD = {"client-ignores-fin": "close-wait-leak", "mixed-pool": "never-reuse-new-transport"}


@pytest.mark.parametrize(
    ("rule", "one"), [pytest.param(r, p, id=f"{r}: {why}") for r, cases in FIRES.items() for why, p in cases]
)
def test_it_fires(rule: str, one: Pool) -> None:
    finding = found(rule, one)
    assert finding is not None
    assert str(finding.causes[0].cause) == OTHER_WORD.get(rule, rule)
    assert finding.evidence
    assert all(frame.number > 0 for item in finding.evidence for frame in item.frames)


@pytest.mark.parametrize(
    ("rule", "one"), [pytest.param(r, p, id=f"{r}: {why}") for r, cases in QUIET.items() for why, p in cases]
)
def test_it_stays_quiet(rule: str, one: Pool) -> None:
    finding = found(rule, one)
    assert finding is None or (finding.severity is Severity.INFO and rule != "healthy")


def test_both_tables_cover_every_rule() -> None:
    from pcapdiag.rules import all_rules

    names = {rule.name for rule in all_rules()}
    assert set(FIRES) == names == set(QUIET)


# -- which one leads, and how sure it is


@pytest.mark.parametrize(
    ("lives", "leads"),
    [
        (one_each(silence=2.0), "never-reuse-new-transport"),  # the popular IdleConnTimeout fix masks it
        (one_each(silence=3.0, by="server", answer=0.001), "never-reuse-new-transport"),  # not the server's timer
        (one_each(silence=3.0, by="server", answer="never"), "body-not-closed"),
        (undrained(), "body-not-drained"),
        (bursts(2, 20), "idle-pool-too-small"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_explains_the_other_findings_leads_and_they_become_information(lives: list[Life], leads: str) -> None:
    assert above_info(judgement([of(lives)]).findings) == [leads]


def test_where_nothing_decides_both_explanations_are_said_with_the_experiment() -> None:
    finding = found("never-reuse-new-transport", of(one_each()))
    assert finding is not None
    assert [str(claim.cause) for claim in finding.causes] == ["never-reuse-new-transport", "body-not-closed"]
    assert "CLOSE_WAIT" in finding.causes[0].tell_apart


def test_where_the_snaplen_cut_the_headers_either_side_may_have_asked_for_the_close() -> None:
    one = of(one_each(silence=0.001, by="server"))
    one.exchanges.columns["flags"] = one.exchanges.flags | BOUND
    one.connections.columns["basis"] = one.connections.basis * 0 + int(Count.LOWER_BOUND)
    finding = found("never-reuse-keepalive-disabled", one)
    assert finding is not None
    assert [str(claim.cause) for claim in finding.causes] == [
        "never-reuse-keepalive-disabled",
        "server-connection-close",
    ]


@pytest.mark.parametrize(("by", "severity"), [("server", Severity.INFO), ("client", Severity.MEDIUM)])
def test_where_not_even_a_status_was_kept_the_servers_close_may_follow_an_error(by: str, severity: Severity) -> None:
    lives = one_each(silence=0.001, by=by)
    for one in lives:
        one.columns |= {"basis": int(Count.TURNS), "client_bytes": 100, "server_bytes": 300, "truncated_bytes": 396}
    finding = found("never-reuse-keepalive-disabled", of(lives, protocol=Protocol.OPAQUE))
    assert finding is not None
    assert finding.severity is severity


@pytest.mark.parametrize(("every", "severity"), [(2.2, Severity.INFO), (0.2, Severity.MEDIUM), (0.01, Severity.HIGH)])
def test_short_connections_on_purpose_are_a_fault_only_at_high_rates(every: float, severity: Severity) -> None:
    lives = one_each(200, every=every, silence=0.001, request_close=True)
    for n, one in enumerate(lives):  # not a scheduled job's constant interval
        shift = 0.3 * every * (n % 2)
        one.opened += shift
        one.uses = [Use(u.request + shift, (u.response or 0) + shift, True) for u in one.all_uses()]
        one.closed = (one.closed or 0) + shift
    finding = found("never-reuse-keepalive-disabled", of(lives, end=600))
    assert finding is not None
    assert finding.severity is severity


def test_a_health_check_is_information_whatever_its_signal() -> None:
    one = of(one_each(20, every=0.6, silence=0.001))
    one.exchanges.columns["flags"] = one.exchanges.flags | REQUEST_HTTP10
    finding = found("never-reuse-keepalive-disabled", one)
    assert finding is not None
    assert finding.severity is Severity.INFO


def test_turns_without_payload_are_no_session_of_a_database() -> None:
    lives = capped([5] * 12, announced=False)
    for one in lives:
        one.columns |= {"basis": int(Count.TURNS), "client_bytes": 500, "server_bytes": 500}
    session = of(lives, protocol=Protocol.OPAQUE)
    for one in lives:
        one.columns["truncated_bytes"] = 1000
    cut = of(lives, protocol=Protocol.OPAQUE)
    assert single_use(session)
    assert not single_use(cut)


def test_a_server_that_speaks_http10_is_named_so() -> None:
    one = of(one_each(silence=0.001, by="server", response_close=True))
    one.exchanges.columns["flags"] = one.exchanges.flags | RESPONSE_HTTP10
    finding = found("server-connection-close", one)
    assert finding is not None
    assert "HTTP/1.0" in finding.title


def test_without_rest_the_idle_pools_size_is_told_from_the_overflow_or_is_a_range() -> None:
    busy = Life(0.0, [Use(0.001, None)])
    finding = found("idle-pool-too-small", of([*bursts(2, 20), busy]))
    assert finding is not None
    assert finding.measured["idle_capacity"] == 2
    assert finding.measured["rest_s"] == 0.0


def test_a_cap_that_hardly_costs_anything_is_information() -> None:
    finding = found("server-max-requests", of(capped([600] * 4), end=200))
    assert finding is not None
    assert finding.severity is Severity.INFO


def test_a_servers_timer_that_cost_nothing_is_information() -> None:
    finding = found("server-idle-timeout", of([*spaced(3.0, 2.0, "server"), *shared(1, 400)]))
    assert finding is not None
    assert finding.severity is Severity.INFO


# -- what they lack


def test_too_few_requests_are_not_called_healthy() -> None:
    assert isinstance(judged("healthy", of(shared(1, 9))), NotJudged)
    assert judgement([of(shared(1, 3))]).verdict.healthy is None


def test_connections_that_were_all_there_before_leave_rules_about_dials_unanswered() -> None:
    lives = shared()
    for one in lives:
        one.midstream = True
    skipped = {entry.code for entry in judgement([of(lives)]).not_evaluated}
    assert {"PD201", "PD202", "PD203", "PD303"} <= skipped


def test_without_a_close_rules_about_closes_say_so() -> None:
    skipped = {entry.code: entry.reason for entry in judgement([of(shared())]).not_evaluated}
    assert {"PD204", "PD205", "PD301", "PD302"} <= set(skipped)
    assert "no connection closed" in skipped["PD301"]


def test_under_tls_no_header_can_be_judged() -> None:
    skipped = {entry.code for entry in judgement([of(shared(), protocol=Protocol.TLS)]).not_evaluated}
    assert "PD304" in skipped


@pytest.mark.parametrize("rule", sorted(FIRES))
@pytest.mark.parametrize("count", [0, 1, 2])
def test_one_or_two_connections_are_never_a_pattern(rule: str, count: int) -> None:
    for make in (one_each, undrained):
        made = pools(make(count), end=END) if count else []
        for one in made:
            outcome = judged(rule, one)
            assert not isinstance(outcome, Finding) or outcome.severity is Severity.INFO


def test_pools_of_one_pattern_are_one_finding_that_names_them_all() -> None:
    lives = one_each(silence=0.001, request_close=True)
    others = one_each(silence=0.001, request_close=True)
    for one in others:
        one.columns["server_port"] = 81
    result = judgement(pools([*lives, *others], end=END))
    (finding,) = [one for one in result.findings if one.name == "never-reuse-keepalive-disabled"]
    assert len(finding.pools) == 2
    assert finding.measured["connections_in_all_pools"] == 40


@pytest.mark.parametrize(
    ("protocol", "products"),
    [
        (Protocol.OPAQUE, set()),
        (
            Protocol.HTTP2,
            {
                "gRPC for Go",
                "gRPC for Java",
                "gRPC for Python",
                "Go net/http",
                "Java java.net.http.HttpClient",
                "libcurl",
            },
        ),
        (Protocol.REDIS, {"Python redis-py", "Node.js ioredis"}),
    ],
)
def test_settings_are_those_of_products_that_speak_the_protocol(protocol: Protocol, products: set[str]) -> None:
    lives = one_each(silence=0.001)
    for one in lives:
        one.columns |= {"basis": int(Count.TURNS)}
    finding = found("never-reuse-keepalive-disabled", of(lives, protocol=protocol))
    assert finding is not None
    assert {advice.product for claim in finding.causes for advice in claim.settings} == products


def test_bytes_that_a_short_snaplen_cut_off_may_be_http() -> None:
    lives = one_each(silence=0.001)
    for one in lives:
        one.columns |= {"basis": int(Count.TURNS), "client_bytes": 100, "server_bytes": 300, "truncated_bytes": 396}
    finding = found("never-reuse-keepalive-disabled", of(lives, protocol=Protocol.OPAQUE))
    assert finding is not None
    assert "Go net/http" in {advice.product for claim in finding.causes for advice in claim.settings}


def test_http_1_0_is_answered_with_http_1_1_and_not_with_a_switch_that_has_no_part_in_it() -> None:
    one = of(one_each(silence=0.001, request_close=True))
    one.exchanges.columns["flags"] = one.exchanges.flags | REQUEST_HTTP10
    finding = found("never-reuse-keepalive-disabled", one)
    assert finding is not None
    assert "speak HTTP/1.1" in finding.action
    assert "the client's requests are HTTP/1.0" in finding.claim
    plain = found("never-reuse-keepalive-disabled", of(one_each(silence=0.001, request_close=True)))
    assert plain is not None
    assert "HTTP/1.1" not in plain.action
