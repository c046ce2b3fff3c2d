"""The proofs of clients: the mistake is in the program that calls."""

from __future__ import annotations

from lab.servers import GoServer, Scripted, Server

from fixes.proof import FRONT_PORT, Load, Proof
from fixes.server_tools import Postgres, Redis
from fixes.tools import C, Go, Java, Node, Php, Python, Ruby

SLOW = GoServer(("-delay", "20ms"), logs=False)  # slow enough that callers meet
LATE = GoServer(("-delay", "500ms"), logs=False)
DEAF = Scripted("delay_server.py", ("--expect", "ignore"))
CLOSING = GoServer(("-delay", "20ms", "-idle-timeout", "1s"), logs=False)
LARGE = GoServer(("-size", "200000", "-chunked"), logs=False)
BURSTS = Load(12, 6, 300)
SLOWER = Load(2, 8, 800)
CALM = Load(3, 6, 1200)

GO = (
    Proof(
        "go-pool-of-2",
        "Go net/http",
        "idle-pool-too-small",
        "http.Transport.MaxIdleConnsPerHost",
        "12 callers over http.DefaultTransport",
        "go/default_pool.go",
        Go(),
        BURSTS,
        SLOW,
    ),
    Proof(
        "go-new-transport",
        "Go net/http",
        "never-reuse-new-transport",
        "one shared http.Transport",
        "a new http.Transport for each call",
        "go/new_transport.go",
        Go(),
        BURSTS,
        SLOW,
    ),
    Proof(
        "go-body-not-closed",
        "Go net/http",
        "body-not-closed",
        "http.Response.Body: read to the end, then Close",
        "bodies that are never closed",
        "go/body_not_closed.go",
        Go(),
        Load(2, 10, 150),
        CLOSING,
    ),
    Proof(
        "go-body-not-drained",
        "Go net/http",
        "body-not-drained",
        "http.Response.Body: read to the end, then Close",
        "before Go 1.27, bodies closed unread",
        "go/body_not_drained.go",
        Go("old"),
        Load(2, 14, 100),
        GoServer(("-size", "60000", "-chunked"), logs=False),
    ),
    Proof(
        "go-disable-keepalives",
        "Go net/http",
        "never-reuse-keepalive-disabled",
        "http.Transport.DisableKeepAlives",
        "DisableKeepAlives: true",
        "go/disable_keepalives.go",
        Go(),
        BURSTS,
        SLOW,
    ),
    Proof(
        "go-idle-timeout",
        "Go net/http",
        "idle-timeout-too-short",
        "http.Transport.IdleConnTimeout",
        "IdleConnTimeout 0.5 s and a call each 1.2 s",
        "go/idle_timeout.go",
        Go(),
        CALM,
        SLOW,
    ),
    Proof(
        "go-client-timeout",
        "Go net/http",
        "client-request-timeout",
        "http.Client.Timeout",
        "Timeout 0.2 s, answers take 0.5 s",
        "go/client_timeout.go",
        Go(),
        SLOWER,
        LATE,
    ),
    Proof(
        "go-service-pool-of-2",
        "Go net/http",
        "idle-pool-too-small",
        "http.Transport.MaxIdleConnsPerHost",
        "a service's http.DefaultTransport under 12 callers, both legs captured",
        "go/front_default_pool.go",
        Go(main="front.go"),
        BURSTS,
        SLOW,
        proxy=FRONT_PORT,
    ),
    Proof(
        "go-service-max-conns",
        "Go net/http",
        "max-conns-cap",
        "http.Transport.MaxConnsPerHost",
        "MaxConnsPerHost 4 in a service with 20 callers, both legs captured",
        "go/front_max_conns.go",
        Go(main="front.go"),
        Load(20, 12, 40),
        SLOW,
        proxy=FRONT_PORT,
    ),
)

REQUESTS, URLLIB3, HTTPX, AIOHTTP = (
    "Python requests",
    "Python urllib3",
    "Python httpx",
    "Python aiohttp client",
)
POOL, EACH, OFF, TIMER = (
    "idle-pool-too-small",
    "never-reuse-new-transport",
    "never-reuse-keepalive-disabled",
    "idle-timeout-too-short",
)
SEVERAL = Load(4, 8, 200)


def python(
    name: str,
    product: str,
    cause: str,
    setting: str,
    mistake: str,
    load: Load,
    *,
    tasks: bool = False,
    server: Server = SLOW,
) -> Proof:
    program = f"python/{name.replace('-', '_')}.py"
    tool = Python(name.split("-")[0], "drive_async.py" if tasks else "drive.py")
    return Proof(name, product, cause, setting, mistake, program, tool, load, server)


PYTHON = (
    python("requests-session", REQUESTS, OFF, "requests.Session", "requests.get() for each call", SEVERAL),
    python("requests-pool", REQUESTS, POOL, "HTTPAdapter(pool_maxsize=)", "one Session under 20 threads",
           Load(20, 5, 300)),
    python("requests-unread", REQUESTS, "body-not-drained", "Response.content, or with stream=True a with block",
           "streamed responses closed unread", SEVERAL, server=LARGE),
    python("requests-timeout", REQUESTS, "client-request-timeout", "timeout=(connect, read): read",
           "a read timeout of 0.2 s, answers take 0.5 s", SLOWER, server=LATE),
    python("urllib3-pool", URLLIB3, POOL, "PoolManager(maxsize=)", "one PoolManager under 12 threads", BURSTS),
    python("urllib3-manager", URLLIB3, OFF, "urllib3.PoolManager", "a PoolManager for each call", SEVERAL),
    python("httpx-client", HTTPX, OFF, "httpx.Client", "httpx.get() for each call", SEVERAL),
    python("httpx-limits", HTTPX, POOL, "Limits(max_keepalive_connections=)", "max_keepalive_connections 2, 12 threads",
           BURSTS),
    python("httpx-expiry", HTTPX, TIMER, "Limits(keepalive_expiry=)", "keepalive_expiry 0.5 s, a call each 1.2 s", CALM),
    python("aiohttp-force-close", AIOHTTP, OFF, "TCPConnector(force_close=)", "force_close=True", SEVERAL, tasks=True),
    python("aiohttp-keepalive", AIOHTTP, TIMER, "TCPConnector(keepalive_timeout=)",
           "keepalive_timeout 0.5 s, a call each 1.2 s", CALM, tasks=True),
    python("aiohttp-session", AIOHTTP, OFF, "aiohttp.ClientSession", "a ClientSession for each call", SEVERAL,
           tasks=True),
)  # fmt: skip

AGENT, UNDICI = "Node.js http.Agent", "Node.js fetch (undici)"


def node(
    name: str,
    product: str,
    cause: str,
    setting: str,
    mistake: str,
    load: Load,
    *,
    npm: bool = False,
    server: Server = SLOW,
) -> Proof:
    program = f"node/{name.removeprefix('node-').replace('-', '_')}.js"
    return Proof(name, product, cause, setting, mistake, program, Node(npm), load, server)


NODE = (
    node("node-agent-pool", AGENT, POOL, "Agent({ maxFreeSockets })", "maxFreeSockets 2 under 12 callers", BURSTS),
    node("node-agent-keepalive", AGENT, OFF, "Agent({ keepAlive: true })", "new http.Agent() as it comes", SEVERAL),
    node("node-agent-timeout", AGENT, TIMER, "Agent({ timeout })", "timeout 0.5 s, a call each 1.2 s", CALM),
    node("node-agent-each", AGENT, EACH, "http.Agent", "an Agent for each call", SEVERAL),
    node("node-fetch-agent", UNDICI, OFF, "Agent({ pipelining: 0 })", "pipelining 0", SEVERAL, npm=True),
    node("node-fetch-timeout", UNDICI, TIMER, "Agent({ keepAliveTimeout })", "keepAliveTimeout 0.5 s, a call each 2.5 s",
         Load(2, 6, 2500), npm=True),
    node("node-fetch-unread", UNDICI, "body-not-closed", "await response.arrayBuffer()", "bodies that nobody reads",
         SEVERAL, server=GoServer(("-size", "100000", "-chunked", "-idle-timeout", "1s"), logs=False)),
)  # fmt: skip

JDK, URLCONNECTION, OKHTTP, APACHE = (
    "Java java.net.http.HttpClient",
    "Java HttpURLConnection",
    "OkHttp",
    "Apache HttpClient 5",
)
OKHTTP_JARS = ("okhttp.jar", "okio.jar")
APACHE_JARS = ("httpclient5.jar", "httpcore5.jar", "httpcore5-h2.jar", "slf4j-api.jar")


def java(
    name: str,
    product: str,
    cause: str,
    setting: str,
    mistake: str,
    load: Load,
    program: str,
    *,
    jars: tuple[str, ...] = (),
    runs: str = "",
    nth: int = 1,
    server: Server = SLOW,
) -> Proof:
    return Proof(name, product, cause, setting, mistake, f"java/{program}", Java(jars, runs), load, server, nth=nth)


JAVA = (
    java("jdk-client-each", JDK, EACH, "java.net.http.HttpClient", "an HttpClient for each call", SEVERAL,
         "NewHttpClient.java"),
    java("jdk-keepalive-timeout", JDK, TIMER, "jdk.httpclient.keepalive.timeout", "6 s, a call each 8 s",
         Load(3, 4, 8000), "httpclient_timeout.options", runs="HttpClientCall.java"),
    java("jdk-pool-size", JDK, POOL, "jdk.httpclient.connectionPoolSize", "a pool of 2 under 12 threads", BURSTS,
         "httpclient_pool.options", runs="HttpClientCall.java"),
    java("urlconnection-max", URLCONNECTION, POOL, "http.maxConnections", "a pool of 2 under 12 threads", BURSTS,
         "urlconnection_pool.options", runs="UrlConnectionCall.java"),
    java("urlconnection-off", URLCONNECTION, OFF, "http.keepAlive", "http.keepAlive=false", SEVERAL,
         "urlconnection_off.options", runs="UrlConnectionCall.java"),
    java("okhttp-each", OKHTTP, EACH, "OkHttpClient", "an OkHttpClient for each call", SEVERAL, "OkHttpEach.java",
         jars=OKHTTP_JARS),
    java("okhttp-pool", OKHTTP, POOL, "ConnectionPool(maxIdleConnections)", "a pool of 2 under 12 threads", BURSTS,
         "OkHttpPool.java", jars=OKHTTP_JARS),
    java("okhttp-duration", OKHTTP, TIMER, "ConnectionPool(keepAliveDuration)", "0.5 s, and a call each 1.2 s", CALM,
         "OkHttpDuration.java", jars=OKHTTP_JARS),
    java("okhttp-unclosed", OKHTTP, EACH, "Response.close()", "responses that are never closed", SEVERAL,
         "OkHttpUnclosed.java", jars=OKHTTP_JARS, nth=2, server=CLOSING),
    java("apache-client-each", APACHE, EACH, "CloseableHttpClient", "a client for each call", SEVERAL,
         "ApacheEach.java", jars=APACHE_JARS),
    java("apache-client-no-reuse", APACHE, OFF, "HttpClientBuilder.setConnectionReuseStrategy",
         "a reuse strategy that answers false", SEVERAL, "ApacheNoReuse.java", jars=APACHE_JARS, nth=2),
)  # fmt: skip

LIBCURL, PHP_CURL, RUBY = "libcurl", "PHP curl", "Ruby Net::HTTP"
ONE = Load(1, 20, 100)

OTHERS = (
    Proof("libcurl-handle-each", LIBCURL, OFF, "one curl handle", "a handle for each call", "c/init_each.c", C(), ONE,
          SLOW),
    Proof("libcurl-forbid-reuse", LIBCURL, OFF, "CURLOPT_FORBID_REUSE", "CURLOPT_FORBID_REUSE 1", "c/forbid_reuse.c",
          C(), ONE, SLOW, nth=2),
    Proof("libcurl-expect", LIBCURL, "expect-100-continue", "CURLOPT_EXPECT_100_TIMEOUT_MS",
          "uploads of 1.5 MB to a server that never says 100 Continue", "c/expect.c", C(), Load(1, 12, 50), DEAF),
    Proof("php-handle-each", PHP_CURL, OFF, "one curl handle", "a handle for each call", "php/init_each.php", Php(),
          ONE, SLOW),
    Proof("php-forbid-reuse", PHP_CURL, OFF, "CURLOPT_FORBID_REUSE", "CURLOPT_FORBID_REUSE", "php/forbid_reuse.php",
          Php(), ONE, SLOW, nth=2),
    Proof("ruby-request-each", RUBY, OFF, "Net::HTTP#start before the first request", "Net::HTTP.new for each call",
          "ruby/get_each.rb", Ruby(), SEVERAL, SLOW),
    Proof("ruby-keep-alive-timeout", RUBY, TIMER, "Net::HTTP#keep_alive_timeout",
          "keep_alive_timeout 0.5 s, a call each 1.2 s", "ruby/keep_alive_timeout.rb", Ruby(), CALM, SLOW),
)  # fmt: skip

ALCHEMY = "Python SQLAlchemy"

STORES = (
    Proof("redis-client", "Python redis-py", OFF, "redis.Redis", "a client for each command", "python/redis_client.py",
          Python("redis"), Load(4, 25, 60), Redis(), port=6379),
    Proof("sqlalchemy-pool", ALCHEMY, POOL, "create_engine(pool_size=)", "pool_size 2 under 12 threads",
          "python/sqlalchemy_pool.py", Python("sqlalchemy"), BURSTS, Postgres(), port=5432),
)  # fmt: skip

PROOFS = (*GO, *PYTHON, *NODE, *JAVA, *OTHERS, *STORES)
