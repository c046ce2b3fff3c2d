"""Sentences that cases share: what must be seen in a capture, and what a diagnosis must say of it."""

from __future__ import annotations

from lab.case import SENT, Check, Program
from lab.wire import Wire, WireConnection

ONE_EACH = Check("one request per connection", lambda t, _: set(t.per_connection) == {1})
ALL_OPEN = Check("nobody closes anything", lambda t, _: t.initiators["none"] == len(t.connections))
CLIENT_CLOSES = Check("the client begins every close", lambda t, _: t.initiators["client"] == len(t.connections))
SERVER_CLOSES = Check("the server begins every close", lambda t, _: t.initiators["server"] == len(t.connections))
PILE_UP = Check("all are ESTABLISHED at the end", lambda t, _: t.states("client") == {"ESTAB": len(t.connections)})
CLOSE_WAIT = Check(
    "all are in CLOSE_WAIT at the end", lambda t, _: t.states("client") == {"CLOSE-WAIT": len(t.connections)}
)
REUSED = Check("ten requests per connection or more", lambda t, _: t.requests >= 10 * len(t.connections))
NO_RESET = Check("no RST", lambda _, w: not w.resets("client") and not w.resets("server"))
REST = Check("two seconds of rest or more are seen", lambda _, w: w.last_at - w.last_tcp_at > 2)


def connections(low: int, high: int) -> Check:
    return Check(f"{low} to {high} connections", lambda t, _: low <= len(t.connections) <= high)


def at_rest(count: int) -> Check:
    return Check(f"{count} ESTABLISHED at rest", lambda t, _: t.states("client").get("ESTAB", 0) == count)


def lingers(side: str, seconds: float, count: int = 3) -> Check:
    """Most closes of a side come after one silence; a loaded machine may delay a few."""
    return Check(
        f"{side} closes after {seconds} s of silence",
        lambda _, w: len(w.lingers(side)) >= count and 0 <= w.lingers(side)[len(w.lingers(side)) // 2] - seconds < 0.05,
    )


def opened(opening: str, low: int, high: int | None = None) -> Check:
    """``opening`` is handshake, refused or unanswered, by the kernel's account."""
    high = low if high is None else high
    return Check(
        f"{low} to {high} {opening}",
        lambda t, _: low <= sum(c.opening == opening for c in t.connections) <= high,
    )


def seen(sentence: str, low: int, wanted: object, high: int | None = None) -> Check:
    """``wanted`` (a function of a connection's packets) holds for ``low`` to ``high`` connections."""

    def holds(_: object, wire: Wire) -> bool:
        count = sum(bool(wanted(connection)) for connection in wire.connections)  # type: ignore[operator]
        return low <= count and (high is None or count <= high)

    return Check(f"{sentence} on {low} or more" if high is None else f"{sentence} on {low} to {high}", holds)


def unanswered(connection: WireConnection) -> bool:
    """The last request has no response, or had none when the connection began to close."""
    if connection.requests > connection.responses:
        return True
    before = [s for s in connection.segments if connection.closed_at is None or s.at <= connection.closed_at]
    return sum(bool(s.method) for s in before) > sum(s.status >= 200 for s in before)


def expect(
    cause: str, *settings: str, also: tuple[str, ...] = (), not_causes: tuple[str, ...] = (), **values: object
) -> dict[str, object]:
    """The leading cause; ``also`` are as right in front, because the packets cannot decide.

    ``not_causes`` may lead no finding above info, wherever it stands.
    """
    wanted = {"cause": cause, "also": list(also), "settings": list(settings), "values": values}
    return {**wanted, "not": list(not_causes)} if not_causes else wanted


def forward(*rules: str) -> str:
    """nft commands for a router: what is done, in this order, with packets that pass through."""
    lines = "\n".join(rules)
    return f"table ip lab {{\n chain pass {{\n type filter hook forward priority 0;\n{lines}\n }}\n}}\n"


def python_client(library: str, *flags: str, sent: bool = False) -> Program:
    """programs/calls.py with one of its libraries; ``sent``: the truth of requests is what it sent."""
    log = ("--sent", f"{{folder}}/{SENT}") if sent else ()
    command = ("{python}", "{programs}/calls.py", "{url}", "--library", library, *flags, *log)
    print_version = f"import {library}; print({library}.__version__)"
    version = ("--version",) if library == "http.client" else ("-c", print_version)
    return Program(command, f"Python {library}", ("{python}", *version), logs=sent)


def raw_client(behaviour: str) -> Program:
    """A behaviour of programs/raw.py, which logs what it sends."""
    command = ("{python}", "{programs}/raw.py", behaviour, "{host}", "{port}", f"{{folder}}/{SENT}")
    return Program(command, "Python sockets", ("{python}", "--version"), logs=True)


def node_client(*flags: str) -> Program:
    """programs/calls.js: one http.Agent that keeps connections."""
    return Program(("node", "{programs}/calls.js", "{url}", *flags), "Node.js http.Agent", ("node", "--version"))
