#!/usr/bin/env python3
"""Score whose settings are named, and who is recognised, against labelled captures.

    python scripts/score_settings.py                   # captures/*.json of this repository
    python scripts/score_settings.py --labels DIR      # DIR/labels.jsonl
    python scripts/score_settings.py --all             # a line for every capture, not the misses alone

For each capture with a cause: does the leading finding name an accepted setting, in the product that the label names;
are settings of another product named, as the one to change or among the commonest of an unknown program; are client and
server recognised, narrowed to a few, unknown, or wrong.

Labels name settings in prose.  A setting is accepted when a word of the label that looks like an identifier
(IdleConnTimeout, keepalive_requests, --keep-alive) is in its name, or when its knob is the one that the label's cause is
about (``KNOBS``).  Which products a label's names stand for is in ``PRODUCTS``; a program that is none of the catalogue's
(a raw socket) must not be recognised as any.  Causes that no setting governs (``NO_SETTING``) are left out.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from pcapdiag.model.report import Finding, PoolRow, Program, Report, SettingAdvice
from pcapdiag.model.words import Knob, Severity
from pcapdiag.pipeline import Options, analyze
from pcapdiag.settings import catalog

OWN = Path(__file__).parents[1] / "captures"

# How labels and truth files call programs -> ids in the catalogue, any of which is right.  The first pattern counts.
PRODUCTS = {
    "client": (
        (r"^nginx .*upstream|^nginx 1", {"nginx-upstream", "nginx"}),
        (r"^haproxy", {"haproxy-upstream", "haproxy"}),
        (r"fasthttp", {"go-fasthttp"}),
        (r"^go\b|^Go |Go TLS", {"go-net-http"}),
        (r"requests", {"python-requests"}),
        (r"urllib3", {"python-urllib3"}),
        (r"httpx", {"python-httpx"}),
        (r"aiohttp", {"python-aiohttp"}),
        (r"http\.client", {"python-http-client"}),
        (r"axios", {"axios", "node-http-agent"}),
        (r"node-fetch", {"node-fetch", "node-http-agent"}),
        (r"^got\b", {"got", "node-http-agent"}),
        (r"undici|node.*fetch", {"undici"}),
        (r"^ws |node ws", {"node-http-agent"}),
        (r"^node https?|^Node\.js http\.Agent", {"node-http-agent"}),
        (r"pg 8|node-postgres", {"node-pg"}),
        (r"psycopg", {"psycopg-pool"}),
        (r"java\.net\.http|JDK HttpClient", {"jdk-httpclient"}),
        (r"HttpURLConnection", {"jdk-httpurlconnection"}),
        (r"Apache HttpClient 5", {"apache-httpclient5"}),
        (r"Apache HttpClient 4", {"apache-httpclient4"}),
        (r"OkHttp", {"okhttp"}),
        (r"PHP curl", {"php-curl", "libcurl"}),
        (r"ruby|net::http", {"ruby-net-http"}),
        (r"^curl|curl loop", {"libcurl"}),
        (r"ApacheBench", {"apachebench"}),
    ),
    "server": (
        (r"nginx", {"nginx"}),
        (r"Apache httpd", {"apache"}),
        (r"^Go net/http", {"go-net-http-server"}),
        (r"ws server", {"node-http-server"}),
        (r"^node http\.Server|^Node\.js", {"node-http-server"}),
        (r"uvicorn", {"uvicorn"}),
        (r"gunicorn", {"gunicorn"}),
        (r"hypercorn", {"hypercorn"}),
        (r"httpserver", {"jdk-httpserver"}),
        (r"python http\.server", {"python-http-server"}),
        (r"PostgreSQL", {"postgresql"}),
        (r"redis", {"redis-server"}),
    ),
}
# What each cause is about, where a label says it in prose.
KNOBS = {
    "never-reuse-new-transport": {Knob.INSTANCE_PER_REQUEST},
    "never-reuse-keepalive-disabled": {Knob.INSTANCE_PER_REQUEST, Knob.KEEPALIVE_SWITCH},
    "body-not-closed": {Knob.BODY_CONSUMPTION, Knob.INSTANCE_PER_REQUEST},
    "body-not-drained": {Knob.BODY_CONSUMPTION},
    "idle-pool-too-small": {Knob.IDLE_POOL_LIMIT},
    "idle-timeout-too-short": {Knob.IDLE_TIMEOUT},
    "idle-timeout-none": {Knob.IDLE_TIMEOUT},
    "server-idle-timeout": {Knob.IDLE_TIMEOUT},
    "keepalive-race": {Knob.IDLE_TIMEOUT, Knob.RETRY},
    "middlebox-idle-drop": {Knob.IDLE_TIMEOUT, Knob.TCP_KEEPALIVE},
    "server-max-requests": {Knob.MAX_REQUESTS, Knob.KEEPALIVE_SWITCH},
    "client-max-requests": {Knob.MAX_REQUESTS, Knob.INSTANCE_PER_REQUEST},
    "server-connection-close": {Knob.KEEPALIVE_SWITCH},
    "max-conns-cap": {Knob.TOTAL_POOL_LIMIT},
    "client-request-timeout": {Knob.REQUEST_TIMEOUT},
    "connect-timeout": {Knob.CONNECT_TIMEOUT},
    "connection-lifetime": {Knob.MAX_LIFETIME, Knob.INSTANCE_PER_REQUEST},
    "tls-no-reuse": {Knob.INSTANCE_PER_REQUEST, Knob.KEEPALIVE_SWITCH, Knob.TLS_SESSION, Knob.IDLE_TIMEOUT},
    "tls-handshake-failure": {Knob.CERTIFICATE},
    "protocol-mismatch": {Knob.SCHEME},
    "backlog-overflow": {Knob.BACKLOG},
    "close-wait-leak": {Knob.IDLE_TIMEOUT, Knob.VALIDATION, Knob.BODY_CONSUMPTION},
    "expect-100-continue": {Knob.EXPECT_CONTINUE},
    "nagle-delayed-ack": {Knob.NAGLE},
    "zero-window": {Knob.BODY_CONSUMPTION, Knob.RECEIVE_BUFFER},
    "pmtu-blackhole": {Knob.MTU},
    "port-exhaustion": {Knob.INSTANCE_PER_REQUEST, Knob.KEEPALIVE_SWITCH, Knob.PORT_RANGE},
    "server-rejects-upload": {Knob.BODY_LIMIT, Knob.EXPECT_CONTINUE},
}
# A process that died, a lost packet, a slow handler: their label names no setting.
NO_SETTING = {
    *(
        "server-crash",
        "server-rst",
        "server-abort",
        "server-restart",
        "client-crash",
        "client-abort",
        "connect-refused",
    ),
    *("packet-loss", "path-loss", "slow-server", "slow-link", "reordering", "half-closed", "connect-tunnel"),
    *("pipelining", "unused-connections", "multi"),
}
IDENTIFIER = re.compile(r"-{0,2}[A-Za-z][\w-]*(?:[A-Z_-])[\w-]*")
# Of the captures with a cause that a setting governs.
ACCEPTED_BAR = 0.95


@dataclass(frozen=True)
class Case:
    name: str
    path: Path
    cause: str
    client: str
    server: str
    accepted: tuple[str, ...]
    port: int | None = None


@dataclass
class Result:
    case: Case
    lead: str = ""
    named: str = "no setting"  # accepted, other setting, no setting
    facts: set[str] = field(default_factory=set)  # other products named as the one to change
    guesses: set[str] = field(default_factory=set)  # other products named among the commonest
    client: str = ""  # right, narrowed, unknown, wrong, or "" where it is no product
    server: str = ""


def own_cases() -> Iterator[Case]:
    for path in sorted(OWN.glob("*.json")):
        truth = json.loads(path.read_text())
        expect = truth["expect"]
        port = None if "ports" in expect else truth.get("service_port")
        yield Case(
            path.stem,
            OWN / truth["file"],
            "healthy" if expect.get("healthy") or "healthy" in expect.get("also", []) else expect["cause"],
            truth["client"],
            truth["server"],
            tuple(expect["settings"]),
            port,
        )


def labelled_cases(folder: Path) -> Iterator[Case]:
    for line in (folder / "labels.jsonl").read_text().splitlines():
        label = json.loads(line)
        yield Case(
            label["scenario"],
            folder / label["file"],
            "healthy" if label["healthy"] else label["cause"],
            label["client"],
            label["server"],
            (*label["expected_settings"], *label["acceptable"]),
        )


def products_of(text: str, role: str) -> set[str]:
    """The ids that a label's name stands for; none for what is no product of the catalogue."""
    known = catalog.load().products
    for pattern, ids in PRODUCTS[role]:
        if re.search(pattern, text, re.IGNORECASE):
            return {one for one in ids if one in known}
    return set()


def judge(case: Case, report: Report | None = None) -> Result:
    """A case's capture, analyzed here where its report is not given, against what the case says."""
    if report is None:
        report = analyze([str(case.path)], Options(port=case.port))
    result = Result(case)
    clients, servers = products_of(case.client, "client"), products_of(case.server, "server")
    pool = main_pool(report)
    if pool is not None:
        result.client = held(pool.client_program, clients)
        result.server = held(pool.server_program, servers)
    lead = next((one for one in report.findings if one.severity is not Severity.INFO), None)
    result.lead = str(lead.causes[0].cause) if lead else "healthy"
    if lead is not None and case.cause != "healthy":
        judge_settings(result, lead, {"client": clients, "server": servers})
    return result


def main_pool(report: Report) -> PoolRow | None:
    """The pool that the leading finding is on, or the largest."""
    leading = [id_ for one in report.findings if one.severity is not Severity.INFO for id_ in one.pools]
    return next((pool for pool in report.pools if pool.id in leading[:1]), report.pools[0] if report.pools else None)


def held(program: Program | None, right: set[str]) -> str:
    """A recognised program against the label's."""
    if program is None or program.product is None:
        if program is not None and set(program.candidates) & right:
            return "narrowed"
        return "unknown" if right else ""
    return "right" if program.product in right else "wrong"


def judge_settings(result: Result, lead: Finding, right: dict[str, set[str]]) -> None:
    names = {role: {catalog.product(one).name for one in ids} for role, ids in right.items()}
    settings = [one for claim in lead.causes for one in claim.settings]
    for one in settings:
        if one.role in names and one.product not in names[one.role]:
            (result.facts if one.recognised else result.guesses).add(one.product)
    # Where the program is none of the catalogue's, the common products' settings are what can be said.
    fitting = [one for one in settings if one.product in (names.get(one.role) or {one.product})]
    if any(accepted(one, result.case) for one in fitting):
        result.named = "accepted"
    elif settings:
        result.named = "other setting"


def accepted(setting: SettingAdvice, case: Case) -> bool:
    identifiers = {word.strip("-").lower() for text in case.accepted for word in IDENTIFIER.findall(text)}
    words = {word.strip("-").lower() for word in re.split(r"[^\w-]+", setting.name)}
    return bool(identifiers & words) or setting.knob in KNOBS.get(case.cause, set())


def governed(case: Case) -> bool:
    """Whether the case has a cause that a setting governs."""
    return case.cause != "healthy" and case.cause not in NO_SETTING


def show(results: list[Result], everything: bool) -> bool:
    """Print the table; whether the bars hold."""
    caused = [one for one in results if governed(one.case)]
    named = Counter(one.named for one in caused)
    for one in results:
        bad = (one in caused and one.named != "accepted") or one.facts or "wrong" in (one.client, one.server)
        if bad or everything:
            print(
                f"{one.case.name}: {one.case.cause}, {one.lead} leads; {one.named}"
                + (f"; NOT ITS: {', '.join(sorted(one.facts))}" if one.facts else "")
                + (f"; among guesses: {', '.join(sorted(one.guesses))}" if one.guesses and everything else "")
                + f"; client {one.client or 'no product'} ({one.case.client}), "
                f"server {one.server or 'no product'} ({one.case.server})"
            )
    ends = Counter(word for one in results for word in (one.client, one.server) if word)
    clients = Counter(one.client for one in results if one.client)
    print(f"\n{len(results)} captures, {len(caused)} with a cause that a setting governs")
    print(
        f"an accepted setting is named: {named['accepted']} of {len(caused)} ({share(named['accepted'], len(caused))})"
    )
    print(f"settings of another product as the one to change: {sum(bool(one.facts) for one in results)}")
    print(f"settings of another product among guesses: {sum(bool(one.guesses) for one in caused)}")
    for who, counts in (("clients", clients), ("clients and servers", ends)):
        total = sum(counts.values())
        words = ", ".join(f"{word} {counts[word]}" for word in ("right", "narrowed", "unknown", "wrong"))
        print(f"{who}: {words}; recognised {share(counts['right'], total)}")
    enough = not caused or named["accepted"] >= ACCEPTED_BAR * len(caused)
    return enough and not ends["wrong"] and not any(one.facts for one in results)


def share(part: int, whole: int) -> str:
    return f"{100 * part / whole:.0f}%" if whole else "none"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--labels", type=Path, metavar="DIR")
    parser.add_argument("--only", default="", metavar="TEXT")
    parser.add_argument("--all", action="store_true", help="a line for every capture")
    options = parser.parse_args()
    cases = labelled_cases(options.labels) if options.labels else own_cases()
    results = [judge(case) for case in cases if options.only in case.name]
    return 0 if show(results, options.all) else 1


if __name__ == "__main__":
    sys.exit(main())
