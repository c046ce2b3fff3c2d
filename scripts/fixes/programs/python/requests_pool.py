import requests

# fix: from here
session = requests.Session()
# fix: to here


def call(url: str) -> None:
    session.get(url).raise_for_status()
