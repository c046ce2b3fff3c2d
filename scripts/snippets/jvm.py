"""Java: compiled against the jars that are installed, or parsed where there are none."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

from snippets.tools import run, tool

PARSER = Path(__file__).parent / "Parse.java"
JAR_FOLDERS = (Path("/usr/share/java"), Path.home() / ".m2" / "repository")

JDK = (
    "java.io", "java.net", "java.net.http", "java.nio.file", "java.security", "java.time", "java.util",
    "java.util.concurrent", "javax.net.ssl", "com.sun.net.httpserver",
)  # fmt: skip
# The packages that a person has imported who pastes the snippet, and the jars that hold them; None: the JDK alone.
LIBRARIES: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "apache-httpclient4": (
        (
            "org.apache.http.client.config", "org.apache.http.client.methods", "org.apache.http.config",
            "org.apache.http.impl.client", "org.apache.http.impl.conn", "org.apache.http.ssl", "org.apache.http.util",
        ),
        ("httpclient", "httpcore"),
    ),
    "apache-httpclient5": (
        (
            "org.apache.hc.client5.http.classic.methods", "org.apache.hc.client5.http.config",
            "org.apache.hc.client5.http.impl", "org.apache.hc.client5.http.impl.classic",
            "org.apache.hc.client5.http.impl.io", "org.apache.hc.core5.http.io", "org.apache.hc.core5.http.io.entity",
            "org.apache.hc.core5.util",
        ),
        ("httpclient5", "httpcore5"),
    ),
    "okhttp": (("okhttp3",), ("okhttp", "okio", "okio-jvm", "kotlin-stdlib")),
    "hikaricp": (("com.zaxxer.hikari",), ("HikariCP",)),
    "jetty-httpclient": (
        (
            "org.eclipse.jetty.client", "org.eclipse.jetty.client.transport", "org.eclipse.jetty.io",
            "org.eclipse.jetty.util.ssl",
        ),
        ("jetty-client", "jetty-io", "jetty-util", "jetty-http"),
    ),
    "reactor-netty": ((), ("reactor-netty-http", "reactor-netty-core")),
    "grpc-java": ((), ("grpc-api", "grpc-netty")),
    "undertow": ((), ("undertow-core",)),
    "jedis": ((), ("jedis",)),
    "lettuce": ((), ("lettuce-core",)),
}  # fmt: skip
# What a snippet may take for granted: the objects that the snippets before it make, and the caller's own.
GIVEN: Mapping[str, str] = {
    "url": 'String url = "https://example.com/"',
    "uri": 'URI uri = URI.create("https://example.com/")',
    "connection": 'HttpURLConnection connection = (HttpURLConnection) new URL("http://localhost").openConnection()',
    "sslContext": "SSLContext sslContext = SSLContext.getDefault()",
    "factory": "SSLSocketFactory factory = SSLContext.getDefault().getSocketFactory()",
    "trustManager": "X509TrustManager trustManager = null",
    "keepAliveSocketFactory": "javax.net.SocketFactory keepAliveSocketFactory = javax.net.SocketFactory.getDefault()",
    "server": "HttpServer server = null",
}
GIVEN_BY_PRODUCT: Mapping[str, Mapping[str, str]] = {
    "jdk-httpclient": {
        "CLIENT": "HttpClient CLIENT = HttpClient.newHttpClient()",
        "request": "HttpRequest request = HttpRequest.newBuilder(uri).build()",
        "body": 'HttpRequest.BodyPublisher body = HttpRequest.BodyPublishers.ofString("")',
    },
    "apache-httpclient4": {"CLIENT": "CloseableHttpClient CLIENT = HttpClients.createDefault()"},
    "apache-httpclient5": {
        "CLIENT": "CloseableHttpClient CLIENT = HttpClients.createDefault()",
        "request": "HttpGet request = new HttpGet(url)",
    },
    "okhttp": {
        "CLIENT": "OkHttpClient CLIENT = new OkHttpClient()",
        "request": "Request request = new Request.Builder().url(url).build()",
        "body": "RequestBody body = null",
    },
    "hikaricp": {"config": "HikariConfig config = new HikariConfig()"},
    "jetty-httpclient": {"client": "HttpClient client = new HttpClient()"},
}


def java(snippet: str, folder: Path, product: str = "", since: str = "") -> str:
    """javac, where the JDK and the jars suffice; its parser alone where they do not.

    Args:
        product: its id.
        since: the version that first had the setting; older jars are not asked about it.
    """
    jars = None if since and product in LIBRARIES and _older(product, since) else _jars(product)
    packages = LIBRARIES[product][0] if product in LIBRARIES else JDK
    sources = _sources(snippet, product, packages)
    for number, source in enumerate(sources):
        (folder / str(number)).mkdir()
        (folder / str(number) / "Snippet.java").write_text(source)
    first = ""
    for number in range(len(sources)):
        complaint = _parsed(folder / str(number)) if jars is None else _compiled(folder / str(number), jars)
        if not complaint:
            return ""
        first = first or complaint
    return first


def depth(product: str) -> str:
    """How far the snippets of a product can be checked here, for the summary."""
    return "javac's parser alone, no jar" if _jars(product) is None else "javac"


def _parsed(folder: Path) -> str:
    return run([tool("java"), str(PARSER), "Snippet.java"], folder)


def _compiled(folder: Path, jars: Sequence[Path]) -> str:
    class_path = ":".join(map(str, jars)) or "."
    return run([tool("javac"), "-proc:none", "-implicit:none", "-d", "out", "-cp", class_path, "Snippet.java"], folder)


def _sources(snippet: str, product: str, packages: Sequence[str]) -> list[str]:
    """As members of a class, and as statements of a method: one of them has to do."""
    imports = "".join(f"import {package}.*;\n" for package in dict.fromkeys((*JDK[:-1], *packages)))
    if product in LIBRARIES:  # its names before those of the JDK
        own = sorted(set(re.findall(r"\b(HttpClient|HttpRequest|HttpResponse|Timeout)\b", snippet)))
        imports += "".join(f"import {package}.{name};\n" for name in own for package in _owner(product, name))
    given = {**GIVEN, **GIVEN_BY_PRODUCT.get(product, {})}
    code = re.sub(r'"(?:[^"\\]|\\.)*"|//.*', "", snippet)
    declared = set(re.findall(r"\b[A-Z]\w*(?:<[^=;]*>)?(?:\[\])? (\w+)(?= =|[,)])", code))
    needed = [name for name in given if re.search(rf"(?<![.\w]){name}\b(?!\()", code) and name not in declared]
    if "uri" in given.get("request", "") and "request" in needed:
        needed = list(dict.fromkeys(["uri", *needed]))
    if "url" in given.get("request", "") and "request" in needed:
        needed = list(dict.fromkeys(["url", *needed]))
    is_member = re.match(r"(//.*\n)*(static |private |public |\w+ \w+\([^)]*\) (throws \w+ )?\{)", snippet) is not None
    locals_ = "".join(f"    {given[name]};\n" for name in needed)
    end = "" if re.search(r"^ {0,2}return ", snippet, re.M) and not is_member else "    return null;\n"
    statements = f"class Snippet {{\n  Object run() throws Exception {{\n{locals_}{snippet}\n{end}  }}\n}}\n"
    checked = [name for name in needed if "new URL" not in given[name] and "getDefault()" not in given[name]]
    fields = "".join(f"  static {given[name]};\n" for name in checked)
    fields += "".join(f"  static {given[name].split(' =')[0]};\n" for name in needed if name not in checked)
    members = f"class Snippet {{\n{fields}{snippet}\n}}\n"
    return [imports + members, imports + statements] if is_member else [imports + statements, imports + members]


def _owner(product: str, name: str) -> tuple[str, ...]:
    owners = {
        ("apache-httpclient5", "Timeout"): "org.apache.hc.core5.util",
        ("jetty-httpclient", "HttpClient"): "org.eclipse.jetty.client",
    }
    found = owners.get((product, name))
    return (found,) if found else ()


def _older(product: str, since: str) -> bool:
    """Whether the main jar here is of a version before that one."""
    jar = _newest(LIBRARIES[product][1][0])
    version = re.search(r"-(\d[\d.]*\d)", jar.name) if jar is not None else None
    return version is None or _numbers(version.group(1)) < _numbers(since)


def _numbers(version: str) -> list[int]:
    return [int(part) for part in re.findall(r"\d+", version)]


@cache
def _jars(product: str) -> list[Path] | None:
    """The newest jar of each name the product needs; None when the main one is missing."""
    if product not in LIBRARIES:
        return []
    names = LIBRARIES[product][1]
    found = [jar for name in names if (jar := _newest(name)) is not None]
    return found if _newest(names[0]) is not None else None


@cache
def _newest(name: str) -> Path | None:
    pattern = re.compile(rf"{re.escape(name)}-(\d[\d.]*)(?:\.\w+)?\.jar")
    versions = [
        (_numbers(match.group(1)), jar)
        for folder in JAR_FOLDERS
        if folder.is_dir()
        for jar in folder.rglob(f"{name}-*.jar")
        if (match := pattern.fullmatch(jar.name)) is not None
    ]
    return max(versions)[1] if versions else None
