import aiohttp


async def program(load) -> None:
    # fix: from here
    session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(force_close=True))
    # fix: to here

    async def call(url: str) -> None:
        async with session.get(url) as response:
            await response.read()

    await load(call)
