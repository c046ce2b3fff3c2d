import urllib3

# fix: from here
http = urllib3.PoolManager()
# fix: to here


def call(url: str) -> None:
    assert http.request("GET", url).status == 200
