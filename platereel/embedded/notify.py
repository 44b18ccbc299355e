"""Tells the service manager how far `up` is (sd_notify(3)): its unit is started when all is up."""

from __future__ import annotations

import os
import socket
from contextlib import suppress

VARIABLE = "NOTIFY_SOCKET"
READY, STOPPING = "READY=1", "STOPPING=1"


class ServiceManager:
    """The manager that started this process, if one did and wants to know.

    The variable is taken out of the environment: PostgreSQL, a child, would speak for itself.
    """

    def __init__(self) -> None:
        self._address = os.environ.pop(VARIABLE, "")

    @property
    def there(self) -> bool:
        """Whether a manager started this process: what it prints goes to a journal then."""
        return bool(self._address)

    def tell(self, state: str) -> None:
        """Tell the state. A manager that does not listen changes nothing."""
        if not self._address:
            return
        # an abstract address begins with @ for people, and with a zero byte for the kernel
        address = f"\0{self._address[1:]}" if self._address.startswith("@") else self._address
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as line:
            line.sendto(state.encode(), address)
