import sys
from urllib.parse import urlsplit

import redis

host = urlsplit(sys.argv[1]).hostname
# fix: paste here


def call(url: str) -> None:
    # fix: from here
    client = redis.Redis(host=host)
    # fix: to here
    client.incr("calls")
