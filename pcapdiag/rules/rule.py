"""What a rule is, and the desk it works at."""

from __future__ import annotations

import inspect
import sys
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import Enum

from pcapdiag.model.report import CauseClaim, Evidence, Finding, FrameRef, Measure, NoSetting, SettingAdvice
from pcapdiag.model.words import Basis, Cause, Confidence, Knob, Protocol, Severity
from pcapdiag.pools.pool import SECOND, Pool
from pcapdiag.rules.recognising import client_at, said, server_at, system_at
from pcapdiag.settings import catalog

# Handshakes per second that nobody needs to care about: two a second are 120 sockets in TIME_WAIT, 0.4% of Linux's
# ephemeral range, and far below a thousandth of a core.
NEGLIGIBLE = 2.0
# Sixty seconds of TIME_WAIT at this rate fill a tenth of Linux's ephemeral range of 28,232 ports to one destination.
HEAVY = 47.0


# Servers that send a Server header unless told not to: unlikely ones where there is none.
NAME_THEMSELVES = frozenset({"nginx", "Apache httpd"})
# Operating systems, and the ids of their kernels' settings.
KERNELS = {"Linux": "linux", "Windows": "windows", "macOS": "macos"}
# Clients that send no User-Agent of their own: likely ones where there is none.
NAMELESS = frozenset({"Node.js http.Agent", "libcurl", "PHP curl"})


class Need(Enum):
    """What a capture must show before a rule can find anything; the value is said where it does not."""

    STARTS = "no connection was seen from its start: start the capture ahead of the traffic"
    CLOSES = "no connection closed in the capture: capture for longer than the timers in question"
    HEADERS = "all traffic is TLS: headers cannot be seen"


@dataclass(frozen=True)
class NotJudged:
    """A pool lacks what the rule needs."""

    reason: str


class Rule(ABC):
    """One pattern.  The module's docstring is its page: docs, ``explain`` and help print it and nothing else."""

    code: str
    name: str
    title: str
    severity: Severity  # the worst it is reported with
    action: str = ""  # what to do where a setting is not the whole of it; a sentence or two
    needs: tuple[Need, ...] = ()
    # Findings of these causes on the same pool follow from this one: reported as information, with a pointer here.
    explains: tuple[Cause, ...] = ()

    @property
    def text(self) -> str:
        return inspect.cleandoc(sys.modules[type(self).__module__].__doc__ or "")

    @abstractmethod
    def judge(self, pool: Pool, desk: Desk) -> Finding | NotJudged | None:
        """A finding, why it cannot be judged, or None when the pattern is not there."""


class Desk:
    """What rules share: settings by product, evidence by frame.

    Args:
        file_starts: for each file the frames ahead of it and its path, in reading order.
        client_product, server_product: ids of the programs at the ends, where the user says so.
        dropped: share of the packets that the kernel dropped while it captured.
    """

    def __init__(
        self,
        file_starts: Iterable[tuple[int, str]] = ((0, ""),),
        client_product: str | None = None,
        server_product: str | None = None,
        dropped: float = 0.0,
    ) -> None:
        self.file_starts = list(file_starts)
        self.client_product = client_product
        self.server_product = server_product
        self.dropped = dropped
        # What :meth:`advice` was asked for and the program at that end does not have; judging empties it for each finding.
        self.lacking: dict[Cause, list[NoSetting]] = {}

    # -- who

    def client_of(self, pool: Pool) -> catalog.Recognised:
        return self.told(pool, self.client_product, "client") or client_at(pool)

    def server_of(self, pool: Pool) -> catalog.Recognised:
        return self.told(pool, self.server_product, "server") or server_at(pool)

    def told(self, pool: Pool, product: str | None, role: str) -> catalog.Recognised | None:
        """The program that the user named, where it speaks what the pool speaks, or may."""
        words = ("http",) if pool.protocol in (Protocol.HTTP2, Protocol.OPAQUE) else ()
        if product is None or not any(catalog.product(product).speaks(word) for word in (spoken(pool), *words)):
            return None
        return said(product, role)

    def client_id(self, pool: Pool) -> str | None:
        return self.client_of(pool).product_id

    def server_id(self, pool: Pool) -> str | None:
        return self.server_of(pool).product_id

    # -- what to set

    def advice(
        self,
        pool: Pool,
        knob: Knob,
        cause: Cause,
        *,
        role: str = "client",
        inferred: str | None = None,
        recommended: str | None = None,
        values: Mapping[str, str] | None = None,
    ) -> tuple[SettingAdvice, ...]:
        """How the pool's client or server spells the knob.

        The first setting of each of a few programs that it may be, or of every common product when it is unknown; of none
        when it is known to be a program that the catalogue does not have.  That the program at that end has no such
        setting is noted in ``lacking``.
        """
        who = self.client_of(pool) if role == "client" else self.server_of(pool) if role == "server" else None
        product = who.product_id if who is not None else None
        candidates = who.candidates if who is not None and product is None else ()
        if who is not None and who.known and product is None and not candidates:
            return ()
        if role == "kernel":
            candidates = self.kernels(pool)
        found: list[SettingAdvice] = []
        for one in candidates or (product,):
            settings = catalog.advice(
                knob,
                one,
                inferred=inferred,
                recommended=recommended,
                values=values or {},
                cause=cause,
                role=role,
                protocol=spoken(pool),
                version=who.version if who is not None else "",
            )
            found += settings[:1] if candidates else settings
        if product is not None and not found:
            self.note_absence(product, knob, cause, role)
        if product is None and not candidates and not pool.heads_hidden.any():
            if role == "server" and pool.text("server_software") is None:
                found = sorted(found, key=lambda one: one.product in NAME_THEMSELVES)
            elif role == "client" and pool.text("user_agent") is None:
                found = sorted(found, key=lambda one: one.product not in NAMELESS)
        return tuple(replace(one, role=role, recognised=product is not None) for one in found)

    def note_absence(self, product: str, knob: Knob, cause: Cause, role: str) -> None:
        absence = catalog.absence(knob, product)
        if absence is not None:
            one = NoSetting(catalog.product(product).name, knob, role, absence.why, absence.source)
            self.lacking.setdefault(cause, []).append(one)

    def kernels(self, pool: Pool) -> tuple[str, ...]:
        """The kernels at the two ends, by the ids that their settings have; () where no SYN tells."""
        systems = (self.system_of(pool, "client"), self.system_of(pool, "server"))
        return tuple(dict.fromkeys(KERNELS[one] for one in systems if one is not None))

    def default_there(self, pool: Pool, knob: Knob, role: str, low_ns: int | None, high_ns: int) -> str:
        """A sentence, space ahead, where a bracket holds the recognised program's default; "" elsewhere."""
        who = self.client_of(pool) if role == "client" else self.server_of(pool)
        if who.product_id is None:
            return ""
        low = None if low_ns is None else low_ns / SECOND
        found = catalog.match_default(knob, role, low, high_ns / SECOND, protocol=spoken(pool), who=who)
        return f" That {found[0].text}." if found else ""

    def system_of(self, pool: Pool, role: str) -> str | None:
        """The operating system at one end, by its SYN's options and hop limit."""
        return system_at(pool, role)

    def not_the_fix(self, pool: Pool, cause: Cause) -> tuple[str, ...]:
        return tuple(catalog.not_the_fix(cause, self.client_id(pool), "http" if speaks_http(pool) else spoken(pool)))

    # -- proof

    def frame(self, number: int) -> FrameRef:
        """A frame as Wireshark numbers it, with its file when there are several."""
        if len(self.file_starts) < 2:
            return FrameRef(int(number))
        ahead, path = max((start for start in self.file_starts if start[0] < number), default=self.file_starts[0])
        return FrameRef(int(number) - ahead, path)

    def evidence(self, pool: Pool, row: int, frames: Iterable[int], shows: str) -> Evidence:
        """Frames of one connection (a row of the pool), zeros left out, in order."""
        numbers = sorted({int(frame) for frame in frames if frame > 0})
        return Evidence(int(pool.connections.number[row]), tuple(self.frame(number) for number in numbers), shows)


def spoken(pool: Pool) -> str:
    """The protocol of the products that settings are looked up for.

    HTTP where it may be that (encrypted, or its bytes not seen); bytes that are none of the protocols known here are
    "opaque", which no product speaks.
    """
    hidden = pool.protocol is Protocol.OPAQUE and bool(pool.heads_hidden.any())
    http = hidden or pool.protocol in (Protocol.HTTP1, Protocol.TLS, Protocol.UNKNOWN)
    return "http" if http else pool.protocol.word


def speaks_http(pool: Pool) -> bool:
    """Whether it is HTTP, of any version, or may be: only then words of HTTP mean something to who runs the programs."""
    return pool.protocol is Protocol.HTTP2 or spoken(pool) == "http"


def life_frames(pool: Pool, row: int) -> list[int]:
    """The frames that tell a connection's story: first packet, last request and response, close."""
    c = pool.connections
    frames = [int(c.first_frame[row])]
    last = int(pool.last_exchange[row])
    if last >= 0:
        x = pool.exchanges
        frames += [int(x.request_first_frame[last]), int(x.response_last_frame[last])]
    frames.append(int(c.close_frame[row]))
    return frames


def churn_severity(opens_per_second: float | None, floor: Severity = Severity.INFO) -> Severity:
    """What needless handshakes cost, by how many there are a second; never below ``floor``."""
    rate = opens_per_second or 0.0
    if rate >= HEAVY:
        severity = Severity.HIGH
    elif rate >= NEGLIGIBLE:
        severity = Severity.MEDIUM
    else:
        severity = Severity.INFO
    return severity if severity.rank >= floor.rank else floor


def by_count(count: int, enough: int = 20) -> Confidence:
    """Confidence from how many connections agree."""
    if count >= enough:
        return Confidence.HIGH
    return Confidence.MEDIUM if count >= 5 else Confidence.LOW


def seconds(ns: float) -> str:
    """A duration for a sentence."""
    s = ns / SECOND
    if s >= 0.9995:
        return f"{s:.3f} s" if s < 100 else f"{s:.0f} s"
    return f"{s * 1000:.0f} ms" if s >= 0.01 else f"{s * 1000:.2f} ms"


def many(count: int, noun: str) -> str:
    return f"{count:,} {noun}" + ("" if count == 1 else "s")


def share(part: int, whole: int) -> str:
    """ "all 40", or "38 of 40"."""
    return f"all {whole:,}" if part == whole else f"{part:,} of {whole:,}"


def finding(
    rule: Rule,
    pool: Pool,
    *,
    severity: Severity,
    confidence: Confidence,
    basis: Basis,
    title: str,
    claim: str,
    measured: Mapping[str, Measure],
    causes: Iterable[CauseClaim],
    evidence: Iterable[Evidence],
    would_refute: str,
    not_the_fix: Iterable[str] = (),
) -> Finding:
    """A finding of one rule on one pool."""
    return Finding(
        rule.code,
        rule.name,
        severity,
        confidence,
        basis,
        (pool.name,),
        title,
        claim,
        measured,
        tuple(causes),
        tuple(evidence),
        would_refute,
        tuple(not_the_fix),
        action=rule.action,
    )
