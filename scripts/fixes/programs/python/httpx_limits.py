import httpx

# fix: from here
client = httpx.Client(limits=httpx.Limits(max_keepalive_connections=2))
# fix: to here


def call(url: str) -> None:
    client.get(url).raise_for_status()
