import requests

# fix: paste here


def call(url: str) -> None:
    # fix: from here
    fetch = requests.get
    # fix: to here
    fetch(url).raise_for_status()
