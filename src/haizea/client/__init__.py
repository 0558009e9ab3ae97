"""A client of the lease manager's REST API, of nothing but the standard library.

::

    from haizea.client import Client

    with Client("http://127.0.0.1:42480", token=secret) as client:
        lease = client.request_lease({"nodes": [{"count": 2, "resources": {"CPU": 100}}], "duration": "01:00:00"})
        for entry in client.follow(lease=lease["id"]):
            ...

:mod:`haizea.client.contexts` finds the server that a user means when none is named.
"""

from haizea.client.client import Client
from haizea.client.errors import BadAddress, BadAnswer, ClientError, ConnectionBroken, HaizeaError, ServerGone, TimedOut

__all__ = [
    "BadAddress",
    "BadAnswer",
    "Client",
    "ClientError",
    "ConnectionBroken",
    "HaizeaError",
    "ServerGone",
    "TimedOut",
]
