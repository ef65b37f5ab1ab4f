"""The embedded broker (amqtt), for trying out: an office runs mosquitto."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Iterator
from typing import Any


def run(host: str, port: int) -> None:
    """Serves MQTT 3.1.1 without passwords on one address until SIGTERM."""
    logging.getLogger("amqtt").setLevel(logging.ERROR)
    logging.getLogger("transitions").setLevel(logging.ERROR)
    asyncio.run(_serve(host, port))


async def _serve(host: str, port: int) -> None:
    from amqtt.broker import Broker  # slow to import, and not needed where an office has its own

    class Embedded(Broker):
        """amqtt 0.12, mended in two places."""

        def __init__(self, config: dict[str, Any]) -> None:
            super().__init__(config)
            self._subscriptions = Steady()

        async def _publish_retained_messages_for_subscription(
            self, subscription: tuple[str, int], session: Any
        ) -> None:
            """To whoever asked for it: amqtt would send what everybody has asked for to each client that connects."""
            if any(own.client_id == session.client_id for own, _ in self._subscriptions.get(subscription[0], ())):
                await super()._publish_retained_messages_for_subscription(subscription, session)

    config = {
        "listeners": {"default": {"type": "tcp", "bind": f"{host}:{port}", "max_connections": 20000}},
        "plugins": {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}},
    }
    stop = asyncio.Event()
    for sign in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(sign, stop.set)
    broker = Embedded(config)
    await broker.start()
    await stop.wait()
    await broker.shutdown()


class Steady(dict[str, Any]):
    """A dict that may change while somebody walks through it: amqtt waits for clients meanwhile, and others come."""

    def __iter__(self) -> Iterator[str]:
        return iter(list(self.keys()))

    def items(self) -> Any:
        return list(super().items())
