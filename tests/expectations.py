"""What an ``expect`` line may say of the tables, and the run that makes them.

    expect connections 2                      rows of the table
    expect exchanges GET/200 POST/- -/200     all of them: answered, unanswered, request not captured
    expect requests 2 exact                   or ``2 at least``, ``2 turns``
    expect opening refused                    protocol, conn_state, goodbye, initiator likewise
    expect closer client fin                  who sent the first FIN or RST, and which; ``closer none``
    expect client TIME_WAIT server CLOSED     implied states
    expect retransmitted client 1             a pair of columns, client_NAME, server_NAME; left out is 0
    expect linger 2.0                         seconds; ``rtt`` likewise
    expect host a                             any text column; ``-`` for none
    expect syn_count 2                        any number column
    expect exchange 2 status 200              a column of the second exchange
    expect exchange 2 frames 4-4 5-6          of request and response
    expect exchange 2 is bound not request_close    its flags
    expect capture duplicates 3               counters of the capture; ``undecoded UDP 1``

``expect 2: ...`` speaks of the second connection in order of first packet; without a number of the first.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from tables import TEXT

from pcapdiag import pipeline
from pcapdiag.connections.tracker import Tracker
from pcapdiag.model import flags, words
from pcapdiag.packets.source import Counters, reader_for
from pcapdiag.segments.decoder import Decoder

SECOND = 1_000_000_000
WORDS: dict[str, type[words.Word] | type[words.TcpState]] = {
    "opening": words.Opening,
    "closer": words.Side,
    "initiator": words.Side,
    "goodbye": words.Side,
    "close_kind": words.CloseKind,
    "protocol": words.Protocol,
    "basis": words.Count,
    "conn_state": words.ConnState,
    "client_state": words.TcpState,
    "server_state": words.TcpState,
}
BASIS = {"exact": words.Count.EXACT, "at least": words.Count.LOWER_BOUND, "turns": words.Count.TURNS}

Row = dict[str, Any]


@dataclass
class Result:
    """The tables as dictionaries: words by name, text decoded, addresses spelled out."""

    tables: pipeline.Tables
    connections: list[Row]
    exchanges: list[Row]
    counters: Counters

    def of(self, number: int) -> list[Row]:
        """The exchanges of a connection."""
        return [x for x in self.exchanges if x["connection"] == number - 1]

    def shown(self) -> str:
        """Everything that is not zero, for a failed test."""
        lines = []
        for row in self.connections:
            lines.append(" ".join(f"{key}={value}" for key, value in row.items() if value not in (0, -1, None)))
            lines += ["  " + " ".join(f"{k}={v}" for k, v in x.items()) for x in self.of(row["number"])]
        return "\n".join(lines)


def run(data: bytes, pieces: list[int] | None = None) -> Result:
    """The packet path over a capture in memory, whole or cut into ``pieces`` of these sizes."""
    tracker = Tracker()
    decoder = Decoder(tracker)
    reader = reader_for("memory", data, decoder, 1)
    at = 0
    for size in pieces or []:
        reader.feed(data[at : at + size])
        at += size
    reader.feed(data[at:])
    reader.finish()
    tracker.finish()
    counters = Counters(
        packets=reader.frames,
        first_at=reader.first_at,
        last_at=reader.last_at,
        steps_back=reader.steps_back,
        cut_packets=reader.cut_packets,
        damage=reader.damage,
        linktypes=reader.linktypes,
    )
    return result_of(pipeline.tables_of(tracker, decoder, counters))


def result_of(tables: pipeline.Tables) -> Result:
    """Tables with their numbers spelled out."""
    connections = []
    for row in range(len(tables.connections)):
        shown: Row = {}
        for name, column in tables.connections.columns.items():
            value = int(column[row])
            if name in TEXT:
                shown[name] = tables.connections.text(value)
            elif name in ("client_ip", "server_ip"):
                shown[name] = tables.connections.address(value)
            elif name in WORDS:
                shown[name] = WORDS[name](value).word
            else:
                shown[name] = value
        connections.append(shown)
    exchanges = [
        {name: int(column[row]) for name, column in tables.exchanges.columns.items()}
        for row in range(len(tables.exchanges))
    ]
    assert all(column.dtype in (np.int64, np.int32) for column in tables.connections.columns.values())
    return Result(tables, connections, exchanges, tables.counters)


def flag_names(value: int) -> set[str]:
    names = {name.lower(): bit for name, bit in vars(flags).items() if name.isupper() and isinstance(bit, int)}
    return {name for name, bit in names.items() if value & bit}


def problem(result: Result, line: str) -> str:
    """What an expectation finds wrong, or nothing."""
    said = line.split()
    number = 1
    if said[0].endswith(":"):
        number, said = int(said[0][:-1]), said[1:]
    if said[0] == "connections":
        return differs(len(result.connections), int(said[1]))
    if said[0] == "capture":
        return capture_problem(result, said[1:])
    if number > len(result.connections):
        return f"there are only {len(result.connections)} connections"
    row = result.connections[number - 1]
    if said[0] == "exchanges":
        return differs([pair(x) for x in result.of(number)], said[1:])
    if said[0] == "exchange":
        exchanges = result.of(number)
        if int(said[1]) > len(exchanges):
            return f"there are only {len(exchanges)} exchanges"
        return exchange_problem(exchanges[int(said[1]) - 1], said[2:])
    return row_problem(row, said)


def row_problem(row: Row, said: list[str]) -> str:
    key = said[0]
    if key == "requests":
        worth = BASIS[" ".join(said[2:])].word
        return differs((row["requests"], row["basis"]), (int(said[1]), worth))
    if key == "closer":
        return differs((row["closer"], row["close_kind"]), (said[1], said[2] if len(said) > 2 else "none"))
    if key in ("client", "server"):
        wanted = dict(zip(said[::2], said[1::2], strict=True))
        return differs({side: row[side + "_state"] for side in wanted}, wanted)
    if key == "linger":
        return differs(row["close_at"] - row["last_exchange_at"], round(float(said[1]) * SECOND))
    if key == "rtt":
        return differs(row["rtt_ns"], -1 if said[1] == "unknown" else round(float(said[1]) * SECOND))
    if "client_" + key in row:
        pairs = dict(zip(said[1::2], map(int, said[2::2]), strict=True))
        wanted_pair = (pairs.get("client", 0), pairs.get("server", 0))
        return differs((row["client_" + key], row["server_" + key]), wanted_pair)
    if key in TEXT:
        text = " ".join(said[1:])
        return differs(row[key], None if text == "-" else text)
    if key in WORDS:
        return differs(row[key], said[1])
    return differs(row[key], int(said[1]))


def exchange_problem(x: Row, said: list[str]) -> str:
    if said[0] == "frames":
        spans = [f"{x[w + '_first_frame']}-{x[w + '_last_frame']}" for w in ("request", "response")]
        return differs(spans, said[1:])
    if said[0] in ("is", "not"):
        names, wanted, unwanted, sense = flag_names(x["flags"]), set(), set(), said[0]
        for word in said:
            if word in ("is", "not"):
                sense = word
            elif not hasattr(flags, word.upper()):
                raise ValueError(f"no such flag: {word}")
            else:
                (wanted if sense == "is" else unwanted).add(word)
        if wanted - names or unwanted & names:
            return f"the flags are {sorted(names)}"
        return ""
    if said[0] == "method":
        return differs(flags.METHODS[x["method"]], said[1])
    return differs(x[said[0]], int(said[1]))


def capture_problem(result: Result, said: list[str]) -> str:
    if said[0] == "undecoded":
        return differs(result.tables.undecoded, {" ".join(said[1:-1]): int(said[-1])})
    if said[0] in ("duplicates", "segments"):
        return differs(getattr(result.tables, said[0]), int(said[1]))
    return differs(getattr(result.counters, said[0]), int(said[1]))


def pair(x: Row) -> str:
    """An exchange as METHOD/STATUS, ``-`` for what was not seen; OTHER has no method number; or TURN."""
    names = flag_names(x["flags"])
    if "turn" in names:
        return "TURN" if "response_seen" in names else "TURN/-"
    method = flags.METHODS[x["method"]] or "OTHER"
    return f"{method if 'request_seen' in names else '-'}/{x['status'] if 'response_seen' in names else '-'}"


def differs(found: object, wanted: object) -> str:
    return "" if found == wanted else f"found {found}"
