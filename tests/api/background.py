"""An API that is served while a test does something else: by a thread with an event loop of its own."""

import asyncio
import contextlib
import threading
from collections.abc import Iterator
from pathlib import Path

from haizea.api.options import ApiOptions
from haizea.api.rest import Api
from tests.api.calls import OPEN, serving
from tests.api.fake_manager import FakeManager


@contextlib.contextmanager
def background(manager: FakeManager, options: ApiOptions = OPEN, path: Path | None = None) -> Iterator[list[str]]:
    """Serve an API. Gives its addresses: TCP first, then the Unix socket."""
    ready, addresses = threading.Event(), []
    loop = asyncio.new_event_loop()
    stop = asyncio.Event()

    async def serve() -> None:
        async with serving(Api(manager, options), path=path) as (_, found):
            addresses.extend(found)
            ready.set()
            await stop.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    try:
        assert ready.wait(10)
        yield addresses
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(60)
        loop.close()
