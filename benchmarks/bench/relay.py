"""The least that can stand between a client and a model server: aiohttp on both sides, bytes passed on as they come.

    python -m benchmarks.bench.relay UPSTREAM

No log, no second viewer, no queue, nothing that could go wrong: what a gateway costs before it does anything.
"""

from __future__ import annotations

import asyncio
import sys

import aiohttp
from aiohttp import web


async def serve(upstream: str) -> None:
    """Serve on loopback until cancelled; prints the port."""
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:

        async def passed_on(request: web.Request) -> web.StreamResponse:
            async with session.post(upstream + request.path, data=await request.read()) as answer:
                response = web.StreamResponse(status=answer.status, headers={"Content-Type": "application/x-ndjson"})
                await response.prepare(request)
                async for piece in answer.content.iter_any():
                    await response.write(piece)
                return response

        application = web.Application()
        application.router.add_post("/{path:.*}", passed_on)
        runner = web.AppRunner(application, access_log=None)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        print(runner.addresses[0][1], flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1]))
