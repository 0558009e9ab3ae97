"""The world outside the loop, as verbs see it: the platform, by way of the engine, and other rules than configured."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from haizea.app.compose import check_tables, policies
from haizea.app.identity import plain
from haizea.config.errors import ConfigError
from haizea.config.layers import changed
from haizea.config.options import live_options
from haizea.config.settings import Settings
from haizea.live.engine import Engine
from haizea.live.estimates import Estimate
from haizea.live.reconcile import Diff
from haizea.live.strangers import noticed
from haizea.policy.protocols import PolicyError
from haizea.runtime.ports import Platform, Stranger
from haizea.service.errors import Invalid
from haizea.service.field import Rules

SECTIONS: Final = ("scheduling", "pricing")
"""All options of these can be changed while the daemon runs; so can those of policies, and some of ``live``."""

LIVE: Final = frozenset(
    {
        "lateness", "vm-grace", "host-grace", "restarts", "restart-backoff", "overdue-after", "overdue",
        "contradictions", "images-survive-host",
    }
)  # fmt: skip
"""Options of ``live`` that the scheduler goes by."""


class RulesOf:
    """Makes rules of settings and changes to them."""

    def __init__(self, settings: Settings) -> None:
        # What is configured; a daemon that reads its configuration anew puts that here.
        self.settings = settings

    def rules(self, changes: Mapping[str, str], /) -> Rules:
        """Return the rules in force with changes to what is configured.

        Raises:
            Invalid: there is no such option, it cannot be changed while the daemon runs, or not to that.
        """
        for name in changes:
            section, _, key = name.partition(".")
            if section not in (*SECTIONS, "policy") and not (section == "live" and key in LIVE):
                raise Invalid(
                    f"options: {name[:128]!r} cannot be changed while the daemon runs",
                    code="not-changeable",
                    remedy="What can: all of [scheduling], [pricing] and [policy.NAME], and of [live] "
                    f"{', '.join(sorted(LIVE))}. For the rest, change the configuration and restart.",
                    field="options",
                )
        try:
            settings = changed(self.settings, changes)
            # What is wrong is to be said when it is set, not when the policy is chosen some day.
            check_tables(settings, {name.split(".")[1] for name in changes if name.startswith("policy.")})
            return Rules(live_options(settings), policies(settings), _shown(settings))
        except (ConfigError, PolicyError) as problem:
            raise Invalid(f"options: {problem}", code="bad-option", field="options") from problem


class LiveField(RulesOf):
    """The world outside a loop that runs. The platform is asked in the loop's thread, as it wants."""

    def __init__(self, engine: Engine, platform: Platform, settings: Settings) -> None:
        super().__init__(settings)
        self._engine = engine
        self._platform = platform

    def diff(self) -> Diff:
        """Return what should be beside what is."""
        return self._engine.diff()

    def reconcile(self) -> int:
        """Compare what should be with what is, and deal with every difference; return how many there were."""
        return self._engine.reconcile()

    def strangers(self) -> Sequence[Stranger]:
        """Return the VMs that are no lease's."""
        ignored = self.settings.live.ignored_strays
        return self._engine.look(lambda _change: noticed(self._platform.strangers(), ignored))

    def adopt(self, name: str, lease: int, vm: int, /) -> None:
        """Take a stranger to be a lease's VM from now on."""
        self._engine.look(lambda _change: self._platform.adopt(name, lease, vm))

    def estimates(self, host: int, /) -> Sequence[Estimate]:
        """Return what was measured of a host."""
        return self._engine.look(lambda _change: self._engine.estimates.of(host))

    def progress(self, lease: int, /) -> tuple[str, int] | None:
        """Return how far an operation of a lease is."""
        return self._engine.progress.get(lease)


class NoField(RulesOf):
    """The world outside of a daemon that stands by, which has nothing to do with it: it refuses whatever is asked."""

    def __init__(self, settings: Settings, refuse: Callable[[], Any]) -> None:
        """``refuse`` raises who leads."""
        super().__init__(settings)
        self._refuse = refuse

    def diff(self) -> Diff:
        """Refuse."""
        found: Diff = self._refuse()
        return found

    def reconcile(self) -> int:
        """Refuse."""
        found: int = self._refuse()
        return found

    def strangers(self) -> Sequence[Stranger]:
        """Refuse."""
        found: Sequence[Stranger] = self._refuse()
        return found

    def adopt(self, name: str, lease: int, vm: int, /) -> None:
        """Refuse."""
        self._refuse()

    def estimates(self, host: int, /) -> Sequence[Estimate]:
        """Return nothing: who leads has measured."""
        return ()

    def progress(self, lease: int, /) -> tuple[str, int] | None:
        """Return nothing: who leads is told."""
        return None


def _shown(settings: Settings) -> dict[str, Any]:
    """Return the options that can be changed while the daemon runs, by their full names."""
    found: dict[str, Any] = {}
    for section in (*SECTIONS, "live"):
        values = settings.section(section)
        for name in values.names():
            key = name.replace("_", "-")
            if section != "live" or key in LIVE:
                found[f"{section}.{key}"] = plain(f"{section}.{key}", getattr(values, name))
    return found
