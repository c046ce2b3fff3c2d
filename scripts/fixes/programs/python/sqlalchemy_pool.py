import sys
from urllib.parse import urlsplit

from sqlalchemy import create_engine, text

url = f"postgresql+psycopg://postgres@{urlsplit(sys.argv[1]).hostname}/postgres"
# fix: from here
engine = create_engine(url, pool_size=2)
# fix: to here


def call(_: str) -> None:
    with engine.connect() as connection:
        connection.execute(text("SELECT pg_sleep(0.02)"))
