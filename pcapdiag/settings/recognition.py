"""Which program is at the other end, by all that the packets show of it.

What a program calls itself is the strongest sign, and the one that anybody may set; how it writes its heads, its
ClientHello and its keepalive probes are chosen by its library alone.  Signs that agree are all given as the reason; where
the name and the rest disagree, the name is another program's, or made up, and the confidence says so.  "Unknown" is an
ordinary answer, and one of a few candidates another.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache

from pcapdiag.model.words import Confidence
from pcapdiag.settings.entries import Recognised
from pcapdiag.settings.signs import Form, Name, Signs, Traits, signs

# A request with one of these was passed on: its User-Agent is not the one who holds this connection.
FORWARDED = frozenset({"via", "forwarded", "x-forwarded-for", "x-real-ip", "x-forwarded-proto"})
# Who passes requests on, where nothing tells them apart.
NGINX = "nginx-upstream"
HAPROXY = "haproxy-upstream"
PROXIES = (NGINX, HAPROXY, "envoy-upstream")
# The front of a name that the snaplen cut must be this long to be taken for it.
FRONT = 6
# Programs look alike in thousands of pools; each look is thought about once.
REMEMBERED = 1024

LESS = {Confidence.HIGH: Confidence.MEDIUM, Confidence.MEDIUM: Confidence.LOW, Confidence.LOW: Confidence.LOW}
MORE = {Confidence.LOW: Confidence.MEDIUM, Confidence.MEDIUM: Confidence.HIGH, Confidence.HIGH: Confidence.HIGH}


def recognise_client(
    user_agent: str | None,
    header_order: Sequence[str] = (),
    *,
    values: Mapping[str, str] | None = None,
    http10: bool = False,
    whole: bool = True,
    ja4: str = "",
    alpn: str = "",
    probe_s: float | None = None,
    resets: bool = False,
    block: str = "",
) -> Recognised:
    """The client library.

    Args:
        user_agent: the User-Agent of its requests; None or "" when they have none.
        header_order: the names of a request's headers as they came, in the case that they had.
        values: of Accept, Accept-Encoding, Connection and the like, by name in lower case; None when they are not known.
        http10: its requests say HTTP/1.0.
        whole: the request's head was captured whole.
        ja4, alpn: of its ClientHello, "" without one.
        probe_s: seconds of silence ahead of its keepalive probes; None without probes.
        resets: it ends its connections with RST though nothing is open on them, as HAProxy does towards servers.
        block: its Host header, where that is one label without a port on a connection to a port other than 80: clients
            add such a port, and nginx puts the name of its upstream block there.
    """
    listed = None if values is None else tuple(values.items())
    return _client(
        Traits(user_agent or "", tuple(header_order), listed, http10, whole, ja4, alpn, probe_s, resets, block)
    )


@lru_cache(maxsize=REMEMBERED)
def _client(traits: Traits) -> Recognised:
    known = signs("client")
    forms = [form for form in known.forms if form.fits(traits)]
    name = _named(known, traits)
    passed_on = _passed_on(name, traits)
    if passed_on:
        return _with_block(_with_resets(_proxy(forms, passed_on), traits), traits)
    telling = next((form for form in forms if form.proxy and form.confidence is not None), None)
    if telling is not None:
        return _by_form(telling, traits, known)
    if name is not None:
        return _with_block(_by_name(name, forms, traits, known), traits)
    alone = [form for form in forms if form.confidence is not None]
    if alone:
        return _with_block(_by_form(alone[0], traits, known), traits)
    if traits.ja4:
        for hello in known.hellos:
            if hello.ja4.search(traits.ja4) and hello.alpn.search(traits.alpn):
                found = _one_of(hello.products, hello.name, hello.confidence, hello.reason)
                return _with_probes(replace(found, version=hello.version), traits, known)
    return _unknown_client(traits)


def recognise_server(
    server_header: str | None,
    *,
    keep_alive: str | None = None,
    header_order: Sequence[str] = (),
    values: Mapping[str, str] | None = None,
    whole: bool = True,
    probe_s: float | None = None,
) -> Recognised:
    """The server software.

    Args:
        server_header: the Server header of its responses; None or "" when they have none.
        keep_alive: the Keep-Alive header of its responses, a hint when there is no Server header.
        header_order: the names of a response's headers as they came, in the case that they had.
        values: of Connection, Keep-Alive, X-Powered-By and Via, by name in lower case; None when they are not known.
        whole: the response's head was captured whole.
        probe_s: seconds of silence ahead of its keepalive probes; None without probes.
    """
    if keep_alive is not None:
        values = {"keep-alive": keep_alive, **(values or {})}
        header_order = header_order or ("Date", "Connection", "Keep-Alive")
    listed = None if values is None else tuple(values.items())
    return _server(Traits(server_header or "", tuple(header_order), listed, False, whole, probe_s=probe_s))


@lru_cache(maxsize=REMEMBERED)
def _server(traits: Traits) -> Recognised:
    known = signs("server")
    forms = [form for form in known.forms if form.fits(traits)]
    name = _named(known, traits)
    telling = next((form for form in forms if form.proxy and form.confidence is not None), None)
    if telling is not None:
        return _by_form(telling, traits, known)
    passed_on = _passed_on(name, traits)
    if passed_on:
        found = _proxy(forms, passed_on)
        return found if found.product_id else Recognised(None, "unknown server", Confidence.LOW, passed_on, known=False)
    if name is not None:
        return _by_name(name, forms, traits, known)
    alone = [form for form in forms if form.confidence is not None]
    if alone:
        return _by_form(alone[0], traits, known)
    if traits.name:
        why = "the Server header names no product of the catalogue"
    elif traits.order:
        why = "no Server header, as of Go, Node.js, Tomcat, HAProxy and others, and headers that tell nothing"
    else:
        why = "no Server header: Go, Node.js, Tomcat, HAProxy and others send none"
    return Recognised(None, "unknown server", Confidence.LOW, why, known=False)


def _named(known: Signs, traits: Traits) -> Name | None:
    """The program that the name is of; of a cut name, where it can be only one's."""
    if not traits.name:
        return None
    found = next((sign for sign in known.names if sign.pattern.search(traits.name)), None)
    if found is not None or not traits.name_cut or len(traits.name) < FRONT:
        return found
    cut = [sign for sign in known.names if sign.begins.startswith(traits.name)]
    if len(cut) != 1:
        return None
    why = f"its first {len(traits.name)} letters are captured, and fit no other"
    return replace(cut[0], confidence=Confidence.MEDIUM, reason=f"{cut[0].reason}; {why}")


def _passed_on(name: Name | None, traits: Traits) -> str:
    """What shows that requests come from another program than the one that holds the connection; "" for nothing."""
    lower = [header.lower() for header in traits.order]
    carried = [header for header in traits.order if header.lower() in FORWARDED]
    if carried:
        return f"its messages carry {carried[0]}: the name is another program's"
    # Of a cut head the first three names are enough: where a program puts its own stands at the front.
    readable = bool(traits.order) and (traits.whole or len(traits.order) >= 3)
    if name is not None and name.order and readable and not name.order.search(",".join(traits.order)):
        return f"{name.reason}, but its headers are not in the order of that program: they were passed on"
    if name is not None and name.title and "host" in traits.order and list(traits.order) == lower:
        return f"{name.reason}, but header names in lower case, which that program does not write: it was passed on"
    if name is not None and name.http10 and traits.order and not traits.http10:
        return f"{name.reason}, but requests of HTTP/1.1, which that program does not send: it was passed on"
    return ""


def _proxy(forms: Iterable[Form], why: str) -> Recognised:
    for form in forms:
        if form.proxy:
            return _one_of(form.products, form.name, form.confidence or Confidence.MEDIUM, f"{form.reason}; {why}")
    return Recognised(None, "a proxy", Confidence.LOW, why, candidates=_in_catalogue(PROXIES))


def _with_resets(found: Recognised, traits: Traits) -> Recognised:
    """What a proxy's way to close adds: of those that may be there HAProxy alone resets idle connections to servers."""
    if not traits.resets or HAPROXY not in (found.product_id, *found.candidates):
        return found
    name = _name_of(HAPROXY)
    reason = f"{found.reason}; it ends idle connections with RST, as HAProxy does towards servers"
    sure = MORE[found.confidence]
    return replace(found, product_id=HAPROXY, name=name, confidence=sure, candidates=(), reason=reason)


def _with_block(found: Recognised, traits: Traits) -> Recognised:
    """What a Host without the connection's port adds: nginx passes heads on otherwise unchanged, and so looks like them."""
    if not traits.block or found.product_id in (NGINX, HAPROXY):
        return found
    why = (
        f"Host says {traits.block} and leaves out the connection's port, as nginx does that names an upstream block so"
    )
    if NGINX in found.candidates:
        return replace(
            found,
            product_id=NGINX,
            name=_name_of(NGINX),
            confidence=MORE[found.confidence],
            candidates=(),
            reason=f"{found.reason}; {why}",
        )
    if found.product_id is None:
        return found
    return replace(
        found,
        product_id=None,
        name=f"{found.name}, or nginx that passes its requests on",
        version="",
        confidence=Confidence.LOW,
        candidates=(found.product_id, NGINX),
        reason=f"{found.reason}; {why}, and as a port mapping makes it look",
    )


def _name_of(product: str) -> str:
    from pcapdiag.settings import catalog

    return catalog.product(product).name


def _by_name(name: Name, forms: Sequence[Form], traits: Traits, known: Signs) -> Recognised:
    """A program that says its name, and whether the rest agrees."""
    match = name.pattern.search(traits.name)
    version = (match.groupdict().get("version") or "") if match and not traits.name_cut else ""
    product = next(iter(_in_catalogue([name.product_id or ""])), None)
    found = Recognised(product, name.name, name.confidence, name.reason, version)
    if not traits.whole and found.confidence is Confidence.HIGH:
        # Whether it was passed on shows in what the capture cuts off.
        found = replace(found, confidence=Confidence.MEDIUM, reason=f"{name.reason}, in a head that is cut short")
    own = [form for form in forms if name.product_id in (*form.products, *form.also)]
    if own:
        found = replace(found, reason=f"{found.reason}; {own[0].reason}")
    elif forms and any(name.product_id in form.products for form in known.forms):
        other = next((form for form in forms if form.confidence is Confidence.MEDIUM), None)
        if other is not None and not other.nameless:
            why = f"{other.reason}, though the name says {name.name}: a program may set any name"
            return _one_of(other.products, other.name, Confidence.LOW, why)
    return _with_probes(found, traits, known)


def _by_form(form: Form, traits: Traits, known: Signs) -> Recognised:
    """A program by how it writes its heads."""
    reason = form.reason
    if traits.name and not form.proxy:
        reason += "; the name is the application's own"
    return _with_probes(_one_of(form.products, form.name, form.confidence or Confidence.LOW, reason), traits, known)


def _with_probes(found: Recognised, traits: Traits, known: Signs) -> Recognised:
    """What keepalive probes add: they agree, choose among candidates, or cast doubt on a guess."""
    if traits.probe_s is None:
        return found
    candidates = found.candidates or ((found.product_id,) if found.product_id else ())
    fitting = [sign for sign in known.probes if sign.fits(traits.probe_s)]
    for sign in fitting:
        left = [candidate for candidate in candidates if candidate in sign.products]
        if left:
            reason = f"{found.reason}; {sign.reason}"
            if len(left) == 1 and len(candidates) > 1:
                return _one_of(left, found.name, found.confidence, reason)
            sure = MORE[found.confidence] if len(candidates) == 1 else found.confidence
            if found.product_id is None and len(candidates) == 1:
                return _one_of(left, found.name, sure, reason, certain=True)
            return replace(found, confidence=sure, reason=reason)
    return found


def _one_of(
    products: Sequence[str], name: str, confidence: Confidence, reason: str, certain: bool | None = None
) -> Recognised:
    """A single product, or several that cannot be told apart; a guess of low confidence stays a candidate."""
    products = _in_catalogue(products)
    if len(products) == 1 and (certain or confidence is not Confidence.LOW):
        return Recognised(products[0], name, confidence, reason)
    return Recognised(None, name, confidence, reason, candidates=tuple(products))


def _in_catalogue(products: Sequence[str]) -> tuple[str, ...]:
    from pcapdiag.settings import catalog

    return tuple(product for product in products if catalog.has(product))


def _unknown_client(traits: Traits) -> Recognised:
    if traits.name:
        why = "the User-Agent names no library of the catalogue, and header order and values are no known library's"
        if not traits.order:
            why = "the User-Agent names no library of the catalogue"
    elif traits.ja4:
        why = f"TLS, and a ClientHello of no known library (JA4 {traits.ja4})"
    elif not traits.whole:
        why = "the capture cuts requests short of a User-Agent"
    elif traits.order:
        why = "no User-Agent, and headers that many programs send alike"
    else:
        why = "no User-Agent seen"
    return Recognised(None, "unknown client", Confidence.LOW, why, known=False)
