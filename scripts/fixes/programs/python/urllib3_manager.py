import urllib3

# fix: paste here


def call(url: str) -> None:
    # fix: from here
    http = urllib3.PoolManager()
    # fix: to here
    assert http.request("GET", url).status == 200
