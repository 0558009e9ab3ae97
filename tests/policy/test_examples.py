"""The policies that the documentation shows do what it says, and are those in ``examples/policies``."""

import ast
import re
import tomllib
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from haizea.model.units import DAY, HOUR, MINUTE, Instant
from haizea.policy.money import money_text
from haizea.policy.protocols import (
    AdmissionPolicy,
    HostSelectionPolicy,
    PolicyContext,
    PolicyError,
    PreemptionPolicy,
    PricingPolicy,
)
from haizea.policy.registry import available, resolve, settings_for
from tests.policy.fakes import SITE, SeenLease, best_effort, deadline_lease, host, immediate, reservation

ROOT = Path(__file__).resolve().parent.parent.parent
EXAMPLES = ROOT / "examples" / "policies"
GUIDE = (ROOT / "docs" / "guide" / "policies.md").read_text(encoding="utf-8")
OPTIONS = {
    "admission": "NoWeekends",
    "host-selection": "PreferLabel",
    "preemption": "LeastProgress",
    "pricing": "PeakHours",
    "queue": "WaitedForWhatItAsks",
}


@pytest.fixture(autouse=True)
def _importable(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have Python look for modules where the examples are, as PYTHONPATH would."""
    monkeypatch.syspath_prepend(EXAMPLES)


def instant(text: str) -> Instant:
    """Return the instant of a time in UTC."""
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * 1000


def configured() -> Mapping[str, Mapping[str, Any]]:
    """Return what the example's configuration says, section by section."""
    return tomllib.loads((EXAMPLES / "haizea.toml").read_text(encoding="utf-8"))


def context(kind: str, name: str) -> PolicyContext:
    """Return the context of a policy under the example's configuration."""
    document = configured()
    return PolicyContext(settings=settings_for(kind, name, document["policy"], document["pricing"]))


def blocks(language: str) -> Iterator[str]:
    """Yield the guide's examples in a language."""
    yield from re.findall(rf"```{language}\n(.*?)```", GUIDE, flags=re.DOTALL)


@pytest.fixture
def no_weekends() -> AdmissionPolicy:
    """Return the example of an admission policy, an hour ahead of UTC."""
    return resolve("admission", "mypolicies:NoWeekends", context("admission", "mypolicies:NoWeekends"))


@pytest.fixture
def prefer_label() -> HostSelectionPolicy:
    """Return the example of a host selection policy, for solar power."""
    return resolve("host-selection", "mypolicies:PreferLabel", context("host-selection", "mypolicies:PreferLabel"))


@pytest.fixture
def least_progress() -> PreemptionPolicy:
    """Return the example of a preemption policy, which spares what is done to four fifths."""
    return resolve("preemption", "mypolicies:LeastProgress", context("preemption", "mypolicies:LeastProgress"))


@pytest.fixture
def peak_hours() -> PricingPolicy:
    """Return the example of a pricing policy, at 0.10 and 0.25."""
    return resolve("pricing", "mypolicies:PeakHours", context("pricing", "mypolicies:PeakHours"))


@pytest.mark.parametrize(
    ("start", "hours", "accepted"),
    [
        ("2026-11-23 08:00", 1, True),
        ("2026-11-27 21:00", 2, True),
        ("2026-11-27 21:00", 3, False),
        ("2026-11-27 23:00", 1, False),
        ("2026-11-29 22:59", 1, False),
        ("2026-11-29 23:00", 119, True),
        ("2026-11-29 23:00", 121, False),
    ],
    ids=["Monday", "Friday", "into Saturday", "Saturday here", "Sunday", "the whole week", "more than a week"],
)
def test_no_weekends_refuses_what_touches_one(
    no_weekends: AdmissionPolicy, start: str, hours: int, accepted: bool
) -> None:
    """A reservation must lie between Monday 0:00 and Friday 24:00, local time."""
    reason = no_weekends.admit(reservation(instant(start), duration=hours * HOUR), SITE, 0)
    assert reason == (None if accepted else "the site is closed at weekends; ask for a time from Monday to Friday")


def test_no_weekends_promises_no_unlimited_time(no_weekends: AdmissionPolicy) -> None:
    """A reservation without end would last over a weekend; a best-effort lease is promised nothing."""
    assert no_weekends.admit(reservation(instant("2026-11-23 08:00"), duration=None), SITE, 0) is not None
    assert no_weekends.admit(best_effort(duration=None), SITE, 0) is None


def test_labelled_hosts_are_filled_first(prefer_label: HostSelectionPolicy) -> None:
    """An empty host with the label comes before a full one without; among equals the fuller one."""
    hosts = [
        host(0, used=1000),
        host(1, power="solar"),
        host(2, used=10, power="solar"),
        host(3, used=999, power="coal"),
    ]
    best_first = sorted(hosts, key=lambda each: -prefer_label.score(each, best_effort(), 0))
    assert [each.index for each in best_first] == [2, 1, 0, 3]


def test_least_progress_goes_first(least_progress: PreemptionPolicy) -> None:
    """At 1:00, a lease begun at 0:50 goes before one begun at 0:30; one begun at 0:10 is done to 5/6 and stays."""
    victims = [best_effort(runs_from=minutes * MINUTE) for minutes in (50, 30, 10)]
    assert [least_progress.score(reservation(), victim, HOUR) for victim in victims] == [833, 500, None]
    assert least_progress.score(immediate(), victims[0], HOUR) == 833


@pytest.mark.parametrize(
    ("preemptor", "victim"),
    [
        (best_effort(), best_effort(5)),
        (reservation(), best_effort(preemptible=False)),
        (reservation(), immediate()),
        (reservation(), deadline_lease(0, HOUR, 9 * HOUR)),
    ],
)
def test_least_progress_spares_all_others(
    least_progress: PreemptionPolicy, preemptor: SeenLease, victim: SeenLease
) -> None:
    """Only reservations and immediate leases preempt, and only preemptible best-effort leases give way."""
    assert least_progress.score(preemptor, victim, HOUR) is None


def test_an_unlimited_lease_is_never_nearly_done(least_progress: PreemptionPolicy) -> None:
    """A best-effort lease without end gives way before all that have begun."""
    assert least_progress.score(reservation(), best_effort(duration=None), HOUR) == 1000


@pytest.mark.parametrize(
    ("start", "price"),
    [(7 * HOUR, "0.1"), (8 * HOUR, "0.25"), (18 * HOUR - 1, "0.25"), (DAY + 18 * HOUR, "0.1")],
)
def test_peak_hours_are_dearer(peak_hours: PricingPolicy, start: Instant, price: str) -> None:
    """A VM for an hour costs 0.25 when it starts from 8 to 18 o'clock, else 0.1; best effort goes by submission."""
    assert money_text(peak_hours.quote(reservation(start), []).price) == price
    assert money_text(peak_hours.quote(best_effort(submitted=start), []).price) == price


def test_peak_hours_inherits_the_users_limit(peak_hours: PricingPolicy) -> None:
    """What the base class does, the example need not: the user's rate refuses the dearer hours."""
    extra = {"simul_userrate": "0.2"}
    answers = [peak_hours.quote(reservation(hour * HOUR, extra=extra), []).accepted for hour in (6, 12)]
    assert answers == [True, False]


def test_who_has_waited_long_for_little_comes_first() -> None:
    """After half an hour one that asks for an hour comes before one that asks for a day; short ones count as 5 min."""
    name = "mypolicies:WaitedForWhatItAsks"
    policy = resolve("queue", name, context("queue", name))
    waited = [policy.score(best_effort(duration=span), 30 * MINUTE) for span in (HOUR, DAY, None, MINUTE)]
    assert waited == [500, 20, 20, 6000]


@pytest.mark.parametrize(
    ("kind", "name", "settings"),
    [
        ("admission", "NoWeekends", {"utc-offset-hours": 25}),
        ("admission", "NoWeekends", {"utc-offset-hours": "one"}),
        ("preemption", "LeastProgress", {"safe-percent": 101}),
        ("pricing", "PeakHours", {}),
        ("queue", "WaitedForWhatItAsks", {"least-minutes": 0}),
    ],
)
def test_wrong_settings_end_the_run_before_it_begins(kind: str, name: str, settings: dict[str, object]) -> None:
    """Each example checks what it is given, and the message names the policy."""
    with pytest.raises(PolicyError, match=f"^{kind} policy 'mypolicies:{name}': "):
        resolve(kind, f"mypolicies:{name}", PolicyContext(settings=settings))  # type: ignore[call-overload]


def test_settings_are_found_by_class_or_name() -> None:
    """``[policy.NAME]`` is the class's name or the entry point's; only pricing policies also see ``[pricing]``."""
    tables = {"Mine": {"a": 1}, "my-own": {"b": 2}, "Dear": {"rate": 3, "c": 4}}
    pricing = {"rate": 1, "seed": 5}
    assert settings_for("admission", "m.n:Mine", tables, pricing) == {"a": 1}
    assert settings_for("admission", "my-own", tables, pricing) == {"b": 2}
    assert settings_for("admission", "accept-all", tables, pricing) == {}
    assert settings_for("pricing", "m:Dear", tables, pricing) == {"rate": 3, "seed": 5, "c": 4}


def test_the_guide_shows_the_examples_complete() -> None:
    """Each Python block of the guide runs by itself and holds one class of ``mypolicies.py``, letter for letter."""
    source = (EXAMPLES / "mypolicies.py").read_text(encoding="utf-8")
    classes = {
        node.name: ast.get_source_segment(source, node)
        for node in ast.parse(source).body
        if isinstance(node, ast.ClassDef)
    }
    shown = {}
    for block in blocks("python"):
        namespace: dict[str, object] = {}
        exec(compile(block, "docs/guide/policies.md", "exec"), namespace)
        node = ast.parse(block).body[-1]
        assert isinstance(node, ast.ClassDef)
        assert isinstance(namespace[node.name], type)
        shown[node.name] = ast.get_source_segment(block, node)
    assert shown == classes
    assert list(shown) == list(OPTIONS.values())


def test_the_guide_shows_the_configuration_of_the_examples() -> None:
    """Every setting in the guide's blocks for the examples stands in ``haizea.toml`` too, and the other way round."""
    whole = configured()
    after_examples = GUIDE[GUIDE.index("### Admission: ") :]
    shown: dict[str, dict[str, object]] = {}
    for block in re.findall(r"```toml\n(.*?)```", after_examples, flags=re.DOTALL):
        for section, entries in tomllib.loads(block).items():
            shown.setdefault(section, {}).update(entries)
    assert shown == whole
    assert whole["scheduling"] == {f"policy-{kind}": f"mypolicies:{name}" for kind, name in OPTIONS.items()}


def test_the_package_offers_every_example() -> None:
    """Each class of the examples has an entry point in the group of its kind, and the guide shows one of them."""
    document = tomllib.loads((EXAMPLES / "pyproject.toml").read_text(encoding="utf-8"))
    points = document["project"]["entry-points"]
    offered = {group: set(names.values()) for group, names in points.items()}
    expected = {f"haizea.policy.{kind.replace('-', '_')}": {f"mypolicies:{name}"} for kind, name in OPTIONS.items()}
    assert offered == expected
    group, entry = "haizea.policy.admission", 'no-weekends = "mypolicies:NoWeekends"'
    assert f'[project.entry-points."{group}"]\n{entry}\n' in GUIDE
    assert points[group] == {"no-weekends": "mypolicies:NoWeekends"}


@pytest.mark.parametrize("kind", OPTIONS)
def test_the_guide_names_every_built_in_policy(kind: str) -> None:
    """No built-in policy is left out of the guide, nor any of its other names."""
    built_in = GUIDE[: GUIDE.index("## Writing your own")]
    names = [name for policy in available(kind) for name in (policy.name, *policy.aliases)]
    assert [name for name in names if f"`{name}`" not in built_in] == []
