"""When to look at OpenNebula: every few seconds, sooner while something is in hand, and when its publisher says so.

What is true is what a poll shows. The publisher of events (ZeroMQ) has no replay, and may be there or not: it only
makes the next look come earlier.
"""

import threading
import time
from collections.abc import Callable
from importlib import import_module
from types import ModuleType
from typing import Any, Final

INTERVAL_S: Final = 3.0
BUSY_S: Final = 0.25
REST_S: Final = 0.05
"""So long at least between two looks, however many events come."""

BACKOFF_MAX_S: Final = 30.0


class Polling:
    """Looks, in a thread of its own. ``look`` returns whether something is in hand, and raises what it likes."""

    def __init__(
        self, look: Callable[[], bool], trouble: Callable[[Exception | None], None], interval_s: float
    ) -> None:
        """``trouble`` is told when looking fails for the first time, and with None when it works again."""
        self._look = look
        self._trouble = trouble
        self._interval_s = interval_s
        self._woken = threading.Event()
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="haizea-opennebula", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End; returns when it has, or soon after that."""
        self._stopping = True
        self._woken.set()
        if self._thread.is_alive() and self._thread is not threading.current_thread():
            self._thread.join(timeout=5)

    def wake(self) -> None:
        """Look soon; while looking fails, at its own pace."""
        self._woken.set()

    def _run(self) -> None:
        failures = 0
        while not self._stopping:
            begun = time.monotonic()
            try:
                busy = self._look()
            except Exception as problem:
                # Whatever it is, the next look may go better, and nobody else would look.
                failures += 1
                if failures == 1:
                    self._trouble(problem)
                self._woken.clear()
                self._sleep(min(BACKOFF_MAX_S, max(BUSY_S, self._interval_s) * 2 ** min(failures - 1, 5)))
                continue
            if failures:
                failures = 0
                self._trouble(None)
            spent = time.monotonic() - begun
            # A large pool takes long to read: no more than half of the time is spent on that.
            pause = max(min(BUSY_S, self._interval_s), spent) if busy else self._interval_s
            if self._woken.wait(pause):
                self._woken.clear()
                self._sleep(min(REST_S, self._interval_s))

    def _sleep(self, seconds: float) -> None:
        if not self._stopping:
            time.sleep(seconds) if seconds < 1 else self._woken.wait(seconds)


class Publisher:
    """Listens to OpenNebula's event publisher, in a thread of its own, and calls ``wake`` for what concerns states."""

    def __init__(self, address: str, wake: Callable[[], None]) -> None:
        """``address`` is as ZeroMQ writes it: ``tcp://frontend:2101``.

        Raises:
            ValueError: the library for it is not installed.
        """
        self._zmq = _zmq()
        self._address = address
        self._wake = wake
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="haizea-opennebula-events", daemon=True)

    def start(self) -> None:
        """Begin to listen; reconnecting is ZeroMQ's business."""
        self._thread.start()

    def stop(self) -> None:
        """End."""
        self._stopping = True
        if self._thread.is_alive():
            self._thread.join(timeout=2)

    def _run(self) -> None:
        zmq: Any = self._zmq
        context = zmq.Context()
        socket = context.socket(zmq.SUB)
        socket.setsockopt(zmq.LINGER, 0)
        socket.setsockopt(zmq.RCVHWM, 1_000)
        socket.setsockopt(zmq.MAXMSGSIZE, 64 << 20)
        # Frames begin with "EVENT STATE VM/…" and "EVENT STATE HOST/…".
        socket.setsockopt(zmq.SUBSCRIBE, b"EVENT STATE")
        try:
            socket.connect(self._address)
            while not self._stopping:
                if socket.poll(500):
                    socket.recv_multipart()
                    self._wake()
        finally:
            socket.close()
            context.term()


def _zmq() -> ModuleType:
    try:
        return import_module("zmq")
    except ImportError as problem:
        raise ValueError(
            "opennebula.publisher needs pyzmq, which is not installed: pip install 'haizea[zmq]', or leave the option "
            "out, and changes are noticed by the next poll"
        ) from problem
