"""The embedded broker (amqtt), for trying out: an office runs mosquitto."""

from __future__ import annotations

import asyncio
import logging
import signal


def run(host: str, port: int) -> None:
    """Serves MQTT 3.1.1 without passwords on one address until SIGTERM."""
    logging.getLogger("amqtt").setLevel(logging.ERROR)
    logging.getLogger("transitions").setLevel(logging.ERROR)
    asyncio.run(_serve(host, port))


async def _serve(host: str, port: int) -> None:
    from amqtt.broker import Broker  # slow to import, and not needed where an office has its own

    config = {
        "listeners": {"default": {"type": "tcp", "bind": f"{host}:{port}", "max_connections": 20000}},
        "plugins": {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}},
    }
    stop = asyncio.Event()
    for sign in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(sign, stop.set)
    broker = Broker(config)
    await broker.start()
    await stop.wait()
    await broker.shutdown()
