import httpx

# fix: paste here


def call(url: str) -> None:
    # fix: from here
    client = httpx
    # fix: to here
    client.get(url).raise_for_status()
