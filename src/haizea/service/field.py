"""What verbs need of the world outside the loop: the platform's VMs, what was measured there, rules to plan by."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple, Protocol

from haizea.core.desk import Policies
from haizea.live.estimates import Estimate
from haizea.live.reconcile import Diff
from haizea.plan.options import Options
from haizea.runtime.ports import PlatformUnavailable, Stranger
from haizea.runtime.store import StoreError
from haizea.service.errors import Unavailable


class Rules(NamedTuple):
    """What the scheduler goes by, and what it is made of: options by their full names, as a configuration has them."""

    options: Options
    policies: Policies
    settings: Mapping[str, Any]


class Field(Protocol):
    """The world outside the loop. Any of it may raise :class:`PlatformUnavailable`."""

    def diff(self) -> Diff:
        """Return what should be beside what is."""

    def reconcile(self) -> int:
        """Compare what should be with what is, and deal with every difference; return how many there were."""

    def strangers(self) -> Sequence[Stranger]:
        """Return the VMs that are no lease's."""

    def adopt(self, name: str, lease: int, vm: int, /) -> None:
        """Take a stranger to be a lease's VM from now on.

        Raises:
            LookupError: there is none of that name.
        """

    def estimates(self, host: int, /) -> Sequence[Estimate]:
        """Return what was measured of a host."""

    def progress(self, lease: int, /) -> tuple[str, int] | None:
        """Return which operation of a lease that takes long is how far, in thousandths; None where there is none."""

    def rules(self, changes: Mapping[str, str], /) -> Rules:
        """Return the rules in force with changes to what is configured.

        Raises:
            Invalid: there is no such option, it cannot be changed while the daemon runs, or not to that.
        """


@contextmanager
def asked() -> Iterator[None]:
    """Turn what goes wrong with a platform into :class:`Unavailable`: it is not the request's fault."""
    try:
        yield
    except (PlatformUnavailable, StoreError) as problem:
        raise Unavailable(
            f"the platform cannot be asked at the moment: {problem}",
            code="platform-unavailable",
            remedy="Try again in a moment; promises already made go on.",
            retry_after_s=10,
        ) from problem
