import requests

session = requests.Session()


def call(url: str) -> None:
    try:
        # fix: from here
        response = session.get(url, timeout=(3, 0.2))
        # fix: to here
    except requests.Timeout:
        return
    response.raise_for_status()
