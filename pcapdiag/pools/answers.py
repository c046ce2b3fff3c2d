"""How the client answered the server's FIN, and whether it reads what it is sent."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pcapdiag.model.flags import RESPONSE_COMPLETE
from pcapdiag.model.tables import Column
from pcapdiag.model.words import Side
from pcapdiag.pools.pool import MILLISECOND, SECOND, Pool

# A client that reads in the background answers a FIN in the time of a wake-up and a round trip.
PROMPT = 50 * MILLISECOND
# Long enough that a program that means to close would have.
WATCH = SECOND
# While a response of up to some 24 KiB arrives, Linux still grows the window it advertises, read or not (rcv_ssthresh), so
# only a larger one shows whether the program took it.
LARGE_BODY = 32_768


@dataclass(frozen=True)
class FinAnswers:
    """Idle connections that the server closed, by what the client did; rows of the pool."""

    prompt: Column  # within 50 ms and a round trip
    late: Column  # later
    never: Column  # not at all, though the capture goes on for a second or more
    tardy: Column  # those of ``late`` that took a second or more: at the next use, or when the program ended


def fin_answers(pool: Pool) -> FinAnswers:
    """Sort the connections on which the server sent the first FIN by the client's answer."""
    c = pool.connections
    closed = (c.server_fin_at > 0) & (pool.closer == Side.SERVER) & (c.open_request == 0)
    answered_at = np.where(c.client_fin_at > 0, c.client_fin_at, c.client_rst_at)
    answered = closed & (answered_at > 0)
    delay = answered_at - c.server_fin_at
    prompt = answered & (delay <= PROMPT + pool.rtt)
    unseen = c.client_fin_unseen != 0  # answered, nobody knows when
    never = closed & (answered_at == 0) & ~unseen & (pool.end - c.server_fin_at >= WATCH)
    tardy = answered & ~prompt & (delay >= WATCH)
    return FinAnswers(
        np.flatnonzero(prompt), np.flatnonzero(answered & ~prompt), np.flatnonzero(never), np.flatnonzero(tardy)
    )


def stalled(pool: Pool) -> Column:
    """Rows whose client let its window close on a response that never finished: nobody reads it.

    To the end of the capture, or of the client's program.
    """
    c = pool.connections
    unfinished = np.zeros(pool.size, dtype=bool)
    there = pool.last_exchange >= 0
    flags = pool.exchanges.flags[pool.last_exchange[there]]
    unfinished[there] = (flags & RESPONSE_COMPLETE) == 0
    shut = (c.client_zero_window > 0) & (c.client_window >= 0) & (c.client_window <= c.client_window_high // 16)
    held = unfinished & shut & (c.client_fin_at == 0) & (c.client_rst_at == 0)
    # The end of the program closes what it never read, all at one moment; a timeout closes each after the same wait.
    given_up = np.flatnonzero(unfinished & shut & ~held & (pool.closer == Side.CLIENT) & (c.client_shut_ns >= WATCH))
    if ended_together(pool, given_up):
        held[given_up] = True
    return np.flatnonzero(held)


def ended_together(pool: Pool, rows: Column) -> bool:
    """Whether these closes are the end of a program rather than a timer: their times agree better than their silences."""
    if len(rows) < 2:
        return False
    times, silences = pool.connections.close_at[rows], pool.linger[rows]
    return float(np.ptp(np.percentile(times - times.min(), [10, 90]))) < float(
        np.ptp(np.percentile(silences, [10, 90]))
    )


def unread(pool: Pool) -> Column:
    """Rows whose client's last advertised window is short of its largest by half of a large last response or more.

    A kernel takes unread bytes off the window it advertises.  Measured with a Go client and responses of 60 kB: 60 of
    60 when the body was never read, 4 of 60 when it was.
    """
    c = pool.connections
    there = np.flatnonzero((pool.last_exchange >= 0) & (c.client_window >= 0))
    size = pool.exchanges.response_bytes[pool.last_exchange[there]]
    short = c.client_window_high[there] - c.client_window[there]
    return there[(size >= LARGE_BODY) & (short >= size // 2)]
