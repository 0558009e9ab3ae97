"""What is told of commands that several hosts work on at once."""

import threading

from haizea.backends.libvirt.running import Running
from haizea.runtime.rows import CommandRow


def test_how_far_a_transfer_is_never_seems_to_go_back() -> None:
    """Whoever gets further while that is told waits with telling until it is."""
    running = Running(CommandRow(1, 0, 0, "transfer", 1, (0, 1), "pending", 0, ""), [0, 1])
    told: list[int] = []
    other = threading.Thread(target=lambda: running.progress(1, 1000, 0, told.append))

    def tell(permille: int) -> None:
        other.start()
        other.join(0.1)
        told.append(permille)

    running.progress(0, 500, 0, tell)
    other.join()
    assert told == [250, 750]
