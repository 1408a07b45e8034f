"""`mockcloud demo`: a cloud, and a launch in it whose 28 steps the conformance suite shows, as it would of any other cloud."""

from __future__ import annotations

import asyncio
import sys
import time

from mockcloud.server import serving
from mockcloud.settings import Settings

NEXT = """
Next: `mockcloud up` keeps a cloud running, and `pytest --cloud-url http://127.0.0.1:5000` asks it everything that the suite knows;
      docs/launch.md says where each step stands in the code, /_mockcloud/facts of a running cloud what was recorded."""


def run(settings: Settings) -> int:
    """0 when the launch succeeded and each of its steps was seen."""
    return asyncio.run(_demo(settings))


async def _demo(settings: Settings) -> int:
    started = time.perf_counter()
    async with serving(settings) as cloud:
        auth_url = f"{cloud.urls['keystone']}/v3"
        print(f"A cloud is up at {auth_url} after {time.perf_counter() - started:.1f} s; dialect {settings.dialect}.\n", flush=True)
        judge = await asyncio.create_subprocess_exec(sys.executable, "-m", "conformance", auth_url)
        code = await judge.wait()
    print(NEXT)
    return code
