"""Figures made by hand, of as many connections as wanted: a pool of two idle connections under twenty callers."""

from __future__ import annotations

from dataclasses import replace
from random import Random

from mock_reports import FIRST_AT, S, finding, frames, pool, report

from pcapdiag.model.figures import Bar, Figures, Ladder, Level, PoolFigure, Rung, Silence, StatesFigure
from pcapdiag.model.report import Endpoint, Evidence, FrameRef, Report

MS = 1_000_000


def figured(connections: int, *, seconds: int = 60) -> Report:
    """A Report with figures of so many connections, opened evenly over the time; the first few are evidence."""
    dice = Random(connections)
    end = FIRST_AT + seconds * S
    apart = seconds * S // max(connections, 1)
    bars = [_bar(number, FIRST_AT + (number - 1) * apart, end, dice) for number in range(1, connections + 1)]
    cited = tuple(
        Evidence(number, frames(number * 10, number * 10 + 3), "2 requests, then closed by the client after 0.72 ms")
        for number in range(1, min(connections, 3) + 1)
    )
    counts: dict[int, int] = {}
    for bar in bars:
        counts[bar.requests] = counts.get(bar.requests, 0) + 1
    row = pool(
        connections=connections,
        requests=sum(bar.requests for bar in bars),
        requests_per_connection=counts,
        max_requests=max(counts, default=0),
    )
    whole = report(
        findings=(finding(evidence=cited),),
        pools=(row,),
        connection_count=connections,
        figures=Figures(
            bars=tuple(bars),
            resolution_ns=1_000,
            pools=(_pool(bars, end),),
            states=_states(bars, end),
            ladders=tuple(ladder(number) for number in range(1, len(cited) + 1)),
        ),
    )
    return replace(whole, capture=replace(whole.capture, last_at=end))


def _bar(number: int, opened: int, end: int, dice: Random) -> Bar:
    requests = dice.choice((0, 1, 1, 1, 1, 2, 2, 3, 7))
    at = opened + 400_000
    busy: list[int] = []
    for _ in range(requests):
        at += dice.randrange(100_000, 3 * MS)
        busy.append(at)
        at += dice.randrange(MS, 9 * MS)
        busy.append(at)
    closer = dice.choice(("client", "client", "client", "server"))
    first = number * 10
    return Bar(
        number=number,
        pool="p1",
        opened_at=opened,
        ready_at=opened + 400_000,
        ended_at=min(at + dice.randrange(100_000, 900_000), end),
        closer=closer,
        close_class="unused" if not requests else "immediate" if closer == "client" else "silent",
        requests=requests,
        opening="handshake",
        busy=tuple(min(one, end) for one in busy),
        first_frame=FrameRef(first),
        last_frame=FrameRef(first + 9),
        client_port=32_768 + number % 28_000,
    )


def _pool(bars: list[Bar], end: int) -> PoolFigure:
    dice = Random(len(bars))
    moments = tuple(range(FIRST_AT, end, (end - FIRST_AT) // 500))
    busy = tuple(dice.randrange(0, 21) for _ in moments)
    idle = tuple(dice.randrange(0, 3) for _ in moments)
    both = tuple(b + i for b, i in zip(busy, idle, strict=True))
    silences = [Silence(bar.number, dice.randrange(100_000, 900_000), bar.closer) for bar in bars[:2_000]]
    silences += [Silence(bar.number, dice.randrange(100_000, 30 * MS), "request") for bar in bars[:900]]
    used = [bar for bar in bars[:2_000] if bar.requests]
    return PoolFigure(
        pool="p1",
        open=Level(moments, both),
        busy=Level(moments, busy),
        idle=Level(moments, idle),
        silences=tuple(silences),
        first_byte_ns=tuple(dice.randrange(MS, 12 * MS) for bar in used),
        first_byte_connections=tuple(bar.number for bar in used),
        silence_count=len(silences),
        first_byte_count=len(bars),
    )


def _states(bars: list[Bar], end: int) -> tuple[StatesFigure, ...]:
    moments = tuple(range(FIRST_AT, end, (end - FIRST_AT) // 200))
    most = len(bars)
    waiting = tuple(most * at // len(moments) for at in range(len(moments)))
    there = tuple(min(most, 20) for _ in moments)
    return (
        StatesFigure(
            "client",
            moments,
            {"ESTABLISHED": there, "TIME_WAIT": waiting},
            {"ESTABLISHED": there[0], "TIME_WAIT": most},
        ),
        StatesFigure("server", moments, {"ESTABLISHED": there}, {"ESTABLISHED": there[0]}),
    )


def ladder(number: int, text: str = "GET /orders HTTP/1.1") -> Ladder:
    """Ten packets: a handshake, an exchange, a close."""
    said = (
        ("client", "S", "SYN", 0, 0),
        ("server", "S.", "SYN-ACK", 1, 0),
        ("client", ".", "ACK", 2, 0),
        ("client", "P.", text, 3, 96),
        ("server", "P.", "200 OK", 40, 638),
        ("client", "F.", "FIN", 40, 0),
        ("server", "F.", "FIN", 41, 0),
        ("client", ".", "ACK", 42, 0),
    )
    rungs = tuple(
        Rung(
            at=FIRST_AT + ms * MS,
            side=side,
            frames=frames(number * 10 + place),
            flags=flags,
            sequence=1 if length else 0,
            acknowledgment=None if flags == "S" else 1,
            length=length,
            text=shown,
            notes=("closes first, 0.4 ms after the response",) if flags == "F." and side == "client" else (),
            cited=place in (0, 3),
        )
        for place, (side, flags, shown, ms, length) in enumerate(said)
    )
    return Ladder(
        connection=number,
        client=Endpoint("10.9.0.1", 40_000 + number % 20_000),
        server=Endpoint("10.9.0.2", 8081),
        pool="p1",
        rungs=rungs,
        left_out=0,
        shows=("PD205: 2 requests, then closed by the client after 0.72 ms",),
    )
