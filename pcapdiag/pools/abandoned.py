"""Connections used once and left open while they were idle: whose fault the packets point at.

A new client for each request and a response body that is never closed look the same until something else happens on
the connection.  What can happen, and what it says:

* The server closes an idle one.  A client that reads in the background (Go, Node.js, the JDK) answers the FIN within
  50 ms when the connection is idle, and never while a response is unread: CLOSE_WAIT.
* The response is larger than the client's buffers.  Unread, it stalls: the client's window closes and stays closed.
* The response is large (32 KiB or more): unread, the window that the client last advertised stays short by most of it.
* The client's own idle timer closes it: then it was in a pool, so the body had been read and closed.
* The client's program ends, which closes everything in one moment and proves no timer; but a kernel that then sends RST
  had bytes that nobody read.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from pcapdiag.model.tables import Column
from pcapdiag.model.words import CloseClass, CloseKind, Side
from pcapdiag.pools import timeline
from pcapdiag.pools.answers import ended_together, fin_answers, stalled, unread
from pcapdiag.pools.pool import Fate, Pool, once_per_pool
from pcapdiag.pools.timers import TIGHT_NS, TIGHT_SHARE, moments

# Fewer show no pattern: a client may well dial a spare connection or two.
MIN_DIALS = 5
# Of the dials after the first, this part had an idle connection at hand.  Real cases lie between 0.7 and 1.
MISSED = 0.6
SINGLE = 0.9
UNHEEDED = "the client never answered the server's FIN: CLOSE_WAIT"
TARDY = "the client left the server's FIN unanswered for a second or more: CLOSE_WAIT"


class Lean(IntEnum):
    """Which of the two explanations the packets support."""

    UNDECIDED = 0
    POOLED = 1  # the connection was idle in a pool that nobody asks again
    UNREAD = 2  # the response was never read to its end or closed


@dataclass(frozen=True)
class Abandoned:
    """``rows`` of the pool, why they lean, and the rows that show it."""

    rows: Column
    lean: Lean
    shown_by: Column
    reason: str
    missed_rate: float
    blind: bool = False  # no payload was captured: read from ages and sequence numbers alone
    unheeded: bool = False  # it leans on FINs that were not answered


@once_per_pool
def abandoned(pool: Pool) -> Abandoned | None:
    """The pattern of connections that are used once and then left open, None where it is not there.

    Measured on 172 real captures: dials missed a reuse at rates of 0.93 to 1 in the 19 pools that nobody asks again, and
    at 0 in nearly all of the 105 others; the highest was 0.55, where requests lost a race with the server's timer.
    """
    dials = int(pool.dialled.sum())
    if dials < MIN_DIALS:
        return None
    if not pool.whole.any():
        return blind(pool)
    if pool.single < SINGLE:
        return None
    held = stalled(pool)
    kinds = pool.close_class
    # What the server would not keep could not be left idle: it says nothing of what the client does with the rest.
    refused = int((pool.whole & (kinds == CloseClass.SIGNALLED) & pool.server_said).sum())
    kept = int(pool.whole.sum()) - refused
    if kept < MIN_DIALS - 1:
        return None
    rate = min(charged(pool) / max(dials - refused - 1, 1), 1.0)
    left = (
        (kinds == CloseClass.OPEN)
        | (kinds == CloseClass.SILENT)
        | ((kinds == CloseClass.OPEN_REQUEST) & (pool.closer == Side.SERVER))
    )
    left[held] = True
    rows = np.flatnonzero(pool.whole & left)
    if len(rows) < max(MIN_DIALS - 1, 0.6 * kept):
        return None
    if rate < MISSED and len(held) < 0.5 * int(pool.whole.sum()):
        return None
    lean, shown_by, reason = _lean(pool, rows, held)
    return Abandoned(rows, lean, shown_by, reason, rate, unheeded=reason in (UNHEEDED, TARDY))


def charged(pool: Pool) -> int:
    """Dials that passed over an idle connection which nobody used again, each such connection charged to one dial.

    One connection left over, or one whose FIN the capture lost, would otherwise make every later dial a miss.
    """
    idle = pool.idle
    unused = idle.fate != Fate.REUSED
    start, end = idle.start[unused] + pool.guard // 2, idle.end[unused] - pool.guard
    order = np.argsort(start, kind="stable")
    begins, ends = start[order].tolist(), end[order].tolist()
    waiting: list[int] = []
    at = count = 0
    for dial in np.sort(pool.connections.first_at[pool.dialled]).tolist():
        while at < len(begins) and begins[at] <= dial:
            heapq.heappush(waiting, ends[at])
            at += 1
        while waiting and waiting[0] <= dial:
            heapq.heappop(waiting)
        if waiting:
            heapq.heappop(waiting)
            count += 1
    return count


def blind(pool: Pool) -> Abandoned | None:
    """The pattern in a capture without payload (a filter on SYN, FIN and RST): sequence numbers show that bytes passed.

    Connections that the server closes at one constant age were used once, at their start: a later use would have
    restarted its timer.
    """
    c = pool.connections
    carried = pool.dialled & (c.client_data_packets == 0) & (c.client_gap_bytes > 0)
    rows = np.flatnonzero(carried & pool.closed & (pool.closer == Side.SERVER))
    if len(rows) < MIN_DIALS:
        return None
    ages = pool.age[rows]
    old_enough = pool.dialled & (c.first_at + int(ages.max()) < pool.end)
    if len(rows) < 0.9 * int(old_enough.sum()):
        return None
    if int(np.ptp(ages)) > max(TIGHT_NS, int(TIGHT_SHARE * np.median(ages))) or moments(c.close_at[rows]) < 3:
        return None
    opened = c.first_at[pool.dialled]
    around = timeline.level(opened, c.first_at[rows] + pool.guard, pool.gone_at[rows] - pool.guard)
    rate = float((around > 0).sum()) / (len(opened) - 1)
    if rate < MISSED:
        return None
    lean, shown_by, reason = _lean(pool, rows, rows[:0])
    return Abandoned(rows, lean, shown_by, reason, min(rate, 1.0), blind=True, unheeded=reason in (UNHEEDED, TARDY))


def _lean(pool: Pool, rows: Column, held: Column) -> tuple[Lean, Column, str]:
    if len(held) >= 3 and len(held) >= 0.3 * len(rows):
        return Lean.UNREAD, held, "the client's receive window closed in the middle of the response and stayed closed"
    answers = fin_answers(pool)
    told = len(answers.prompt) + len(answers.late) + len(answers.never)
    by_client = np.flatnonzero((pool.close_class == CloseClass.SILENT) & (pool.closer == Side.CLIENT))
    # A capture that lost a packet in a hundred lost some of the client's FINs: few unanswered ones prove nothing.
    if told >= 3 and told >= len(by_client):
        waiting = np.concatenate([answers.never, answers.tardy])
        if len(waiting) >= 0.8 * told:
            return Lean.UNREAD, np.sort(waiting), TARDY if len(answers.tardy) else UNHEEDED
        if len(answers.prompt) >= 0.8 * told:
            return (
                Lean.POOLED,
                answers.prompt,
                "the client answered the server's FIN at once, as it does for an idle connection",
            )
    at_exit = ended_together(pool, by_client)
    # With TLS the session tickets and the close_notify that an idle connection holds are unread bytes too.
    reset = by_client[pool.connections.close_kind[by_client] == CloseKind.RST]
    if at_exit and not pool.encrypted and len(reset) >= 3 and len(reset) >= 0.8 * len(rows):
        return Lean.UNREAD, reset, "the client's program ended with bytes of the response unread: its kernel sent RST"
    if len(by_client) >= 3 and not at_exit:
        return Lean.POOLED, by_client, "the client's own idle timer closed the connection, so it was in a pool"
    short = unread(pool)
    if len(short) >= 3 and len(short) >= 0.8 * len(rows):
        return (
            Lean.UNREAD,
            short,
            "the window that the client last advertised is short by most of the response: it is unread",
        )
    return Lean.UNDECIDED, rows[:0], ""
