import aiohttp


async def program(load) -> None:
    # fix: paste here

    async def call(url: str) -> None:
        # fix: from here
        session = aiohttp.ClientSession()
        # fix: to here
        async with session.get(url) as response:
            await response.read()

    await load(call)
