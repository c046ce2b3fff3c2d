import httpx

# fix: from here
client = httpx.Client(limits=httpx.Limits(keepalive_expiry=0.5))
# fix: to here


def call(url: str) -> None:
    client.get(url).raise_for_status()
