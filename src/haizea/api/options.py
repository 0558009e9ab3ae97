"""What a site may set about its front doors, with defaults that suit a small one."""

from typing import Final, NamedTuple

MIB: Final = 1 << 20


class DoorOptions(NamedTuple):
    """Who is let in, and how much of them.

    ``anonymous``: callers on loopback who name nobody are asked about at the accounts, else refused. ``rate`` and
    ``burst`` are requests per second of one principal, and at once; ``peer_rate`` and ``peer_burst`` the same for one
    address or Unix user of whom nothing is known yet. 0 is no limit. ``hosts`` are names accepted in ``Host`` beside
    those of this machine; elsewhere than on loopback they are checked only if there are any. ``media`` are the media
    types that bodies may have, none: any. ``bodies_max`` is memory for all bodies together, in bytes. ``public`` paths
    need nobody's name, ``local`` ones do not on loopback.
    """

    anonymous: bool = False
    rate: float = 500.0
    burst: float = 1000.0
    peer_rate: float = 50.0
    peer_burst: float = 200.0
    hosts: tuple[str, ...] = ()
    media: frozenset[str] = frozenset({"application/json"})
    body_max: int = MIB
    bodies_max: int = 64 * MIB
    body_time_s: float = 10.0
    url_max: int = 8_192
    public: frozenset[str] = frozenset({"/", "/docs", "/healthz", "/readyz", "/v1/openapi.json", "/v1/version"})
    local: frozenset[str] = frozenset({"/metrics"})
    access_log: bool = False


class ApiOptions(NamedTuple):
    """How requests are carried out.

    ``readers`` and ``writers`` are threads for requests that read, and for those that go through the loop. A request
    that has waited ``wait_s`` seconds for a thread is refused, and so is one that finds ``waiting_max`` others waiting.
    ``streams_max`` event streams may be open at once, ``streams_each`` for one principal; each gets a sign of life
    every ``heartbeat_s`` seconds, and is closed when it has not taken what was sent for ``stall_s`` seconds.
    """

    door: DoorOptions = DoorOptions()
    readers: int = 8
    writers: int = 16
    wait_s: float = 10.0
    waiting_max: int = 200
    streams_max: int = 64
    streams_each: int = 8
    heartbeat_s: float = 10.0
    stall_s: float = 30.0
