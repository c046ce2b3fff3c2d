import requests

session = requests.Session()


def handle(chunk: bytes) -> None:
    pass


def call(url: str) -> None:
    # fix: from here
    response = session.get(url, stream=True)
    response.raise_for_status()
    response.close()
    # fix: to here
