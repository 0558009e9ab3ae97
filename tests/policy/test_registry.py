"""Finding policies by name, and what is said when one cannot be found or used."""

import importlib
import subprocess
import sys
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path

import pytest

import haizea
from haizea.config.table import POLICIES, POLICY_ALIASES
from haizea.policy.protocols import HostOrder, PolicyContext
from haizea.policy.registry import KINDS, PolicyError, available, resolve
from tests.policy.fakes import SITE, best_effort, host, reservation

Write = Callable[[str], str]
CONTEXT = PolicyContext(settings={"rate": 1, "min-rate": 1, "max-rate": 2, "colour": "red"})
OF_KIND = {"queue": PolicyContext()}


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Return what makes an importable module of some source, and gives its name."""
    monkeypatch.syspath_prepend(tmp_path)
    name = f"policies_{tmp_path.name.replace('-', '_')}"

    def make(source: str) -> str:
        (tmp_path / f"{name}.py").write_text(source, encoding="utf-8")
        importlib.invalidate_caches()
        return name

    return make


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], None]:
    """Return what makes an installed package (its name, its entry points) as far as looking it up goes."""
    monkeypatch.syspath_prepend(tmp_path)

    def make(package: str, entry_points: str) -> None:
        folder = tmp_path / f"{package}-1.0.dist-info"
        folder.mkdir()
        (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n", encoding="utf-8")
        (folder / "entry_points.txt").write_text(entry_points, encoding="utf-8")
        importlib.invalidate_caches()

    return make


def said(kind: str, name: str) -> str:
    """Return the message with which a policy is refused."""
    with pytest.raises(PolicyError) as raised:
        resolve(kind, name, CONTEXT)  # type: ignore[call-overload]
    assert "\n" not in str(raised.value)
    return str(raised.value)


@pytest.mark.parametrize("kind", KINDS)
def test_every_built_in_policy_can_be_copied(kind: str) -> None:
    """Dry runs go by copies of the policies, also where they are compiled."""
    for policy in available(kind):
        if policy.source == "built-in":
            made = resolve(kind, policy.name, OF_KIND.get(kind, CONTEXT))  # type: ignore[call-overload]
            assert type(deepcopy(made)) is type(made)


@pytest.mark.parametrize("kind", KINDS)
def test_every_built_in_policy_can_be_had_by_each_of_its_names(kind: str) -> None:
    """What is listed as available resolves, under its name and under every alias, to the same class."""
    for policy in available(kind):
        made = {type(resolve(kind, name, OF_KIND.get(kind, CONTEXT))) for name in (policy.name, *policy.aliases)}  # type: ignore[call-overload]
        assert len(made) == 1
        assert policy.source == "built-in"
        assert policy.description.endswith(".")


@pytest.mark.parametrize("kind", KINDS)
def test_the_configuration_knows_the_same_names(kind: str) -> None:
    """The names and aliases that a configuration accepts are those that can be resolved."""
    policies = available(kind)
    assert set(POLICIES[kind]) == {policy.name for policy in policies}
    assert POLICY_ALIASES[kind] == {alias: policy.name for policy in policies for alias in policy.aliases}


def test_an_unknown_name_lists_what_there_is() -> None:
    """A misspelt name is answered with the names there are."""
    message = said("admission", "accept-al")
    assert message.startswith("admission policy 'accept-al' is not known; there are accept-all, no-ARs")


def test_a_name_of_another_kind_is_recognised() -> None:
    """Who mixes up two options is told which kind the policy is of."""
    assert "it is one of kind host-selection" in said("admission", "greedy")


def test_an_unknown_kind_lists_the_kinds() -> None:
    """There are five kinds, and a sixth is refused with their names."""
    assert said("placement", "greedy") == (
        "there is no kind of policies called 'placement'; there are admission, preemption, host-selection, pricing, "
        "queue"
    )
    with pytest.raises(PolicyError, match="there is no kind"):
        available("placement")


def test_a_users_class_is_handed_the_context(write: Write) -> None:
    """``module:Class`` is imported and made with the settings of the site."""
    module = write(
        "class Colour:\n"
        "    def __init__(self, context):\n"
        "        self.colour = context.settings['colour']\n"
        "    def admit(self, request, site, now):\n"
        "        return f'only {self.colour} leases'\n"
    )
    assert resolve("admission", f"{module}:Colour", CONTEXT).admit(best_effort(), SITE, 0) == "only red leases"


def test_a_class_without_constructor_needs_none(write: Write) -> None:
    """A policy without settings may leave the constructor out, also where it derives from the protocol."""
    module = write(
        "from haizea.policy.protocols import AdmissionPolicy\n"
        "class Plain:\n"
        "    def admit(self, lease, site, now):\n"
        "        return 'no'\n"
        "class Derived(AdmissionPolicy):\n"
        "    def admit(self, lease, site, now):\n"
        "        return 'never'\n"
        "class Outer:\n"
        "    Inner = Plain\n"
    )
    for name, answer in [("Plain", "no"), ("Derived", "never"), ("Outer.Inner", "no")]:
        assert resolve("admission", f"{module}:{name}", CONTEXT).admit(best_effort(), SITE, 0) == answer


def test_a_policy_may_derive_from_a_built_in_one(write: Write) -> None:
    """A built-in policy's score is a place to start from."""
    module = write(
        "from haizea.policy.host_selection import BestFit\n"
        "from haizea.policy.protocols import HostOrder\n"
        "class NeverFirst(BestFit):\n"
        "    order = HostOrder.SCORED\n"
        "    def score(self, host, lease, start):\n"
        "        return super().score(host, lease, start) - (10_000 if host.index == 0 else 0)\n"
    )
    policy = resolve("host-selection", f"{module}:NeverFirst", CONTEXT)
    assert policy.order is HostOrder.SCORED
    assert policy.score(host(1), best_effort(), 0) > policy.score(host(0, used=900), best_effort(), 0)


SOURCE = """
from haizea.policy.protocols import HostOrder, PolicyError
instance = object()
class Broken:
    def __init__(self, context):
        raise RuntimeError("no   such\\ntable")
class Demanding:
    def __init__(self, context):
        raise PolicyError("colour: expected blue")
class Admission:
    def admit(self, lease, site, now): return None
class FewArguments:
    def admit(self, lease): return None
class ManyArguments:
    def admit(self, lease, site, now, more): return None
class Hosts:
    order = HostOrder.SCORED
    def score(self, host, lease, start): return 0
class Unordered:
    def score(self, host, lease, start): return 0
class OrderOnly:
    order = HostOrder.SCORED
class JustPrice:
    def price(self, lease, preempted): return 0
"""


@pytest.mark.parametrize(
    ("kind", "name", "message"),
    [
        ("admission", "Missing", "{module} has no Missing"),
        ("admission", "instance", "expected a class, and found an object of type object"),
        ("admission", "Broken", "Broken(context) failed with RuntimeError: no such table"),
        ("admission", "Demanding", "colour: expected blue"),
        ("admission", "FewArguments", "expected a method admit(lease, site, now)"),
        ("admission", "ManyArguments", "expected a method admit(lease, site, now)"),
        ("admission", "Hosts", "expected a method admit(lease, site, now); it looks like one of kind preemption"),
        ("pricing", "Admission", "expected a method price(lease, preempted); it looks like one of kind admission"),
        ("preemption", "Hosts", "is one of kind host-selection: it has an attribute order"),
        ("preemption", "Admission", "expected a method score(preemptor, victim, at)"),
        ("host-selection", "Unordered", "expected an attribute order, such as order = HostOrder.SCORED"),
        ("host-selection", "OrderOnly", "expected a method score(host, lease, start)"),
        ("pricing", "JustPrice", "expected a method quote(lease, preempted)"),
    ],
)
def test_a_class_that_cannot_serve_is_refused(write: Write, kind: str, name: str, message: str) -> None:
    """What is no policy of the kind, or fails when it is made, is refused when the run begins, with what is wrong."""
    module = write(SOURCE)
    refusal = said(kind, f"{module}:{name}")
    assert refusal.startswith(f"{kind} policy '{module}:{name}'")
    assert message.format(module=module) in refusal


def test_a_module_that_is_not_there_hints_at_the_path() -> None:
    """Who names a module that Python does not find is reminded of PYTHONPATH."""
    assert said("admission", "nowhere.at_all:Policy") == (
        "admission policy 'nowhere.at_all:Policy': importing nowhere.at_all failed with "
        "ModuleNotFoundError: No module named 'nowhere'; is its folder in PYTHONPATH?"
    )


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("1 / 0", "ZeroDivisionError: division by zero"),
        ("import nowhere_at_all", "ModuleNotFoundError: No module named 'nowhere_at_all'"),
        ("raise SystemExit(3)", "SystemExit: 3"),
        ("def (", "SyntaxError: "),
    ],
)
def test_a_module_that_cannot_be_imported_says_why(write: Write, source: str, message: str) -> None:
    """An error in the user's own module is told as such, on one line, without a hint at the path."""
    module = write(source)
    refusal = said("admission", f"{module}:Policy")
    assert f"importing {module} failed with {message}" in refusal
    assert "PYTHONPATH" not in refusal


@pytest.mark.parametrize("name", [":", "module:", ":Class", "a b:C", "a:b:c", "..:C", "os;x:C", "a" * 1000 + "-:C"])
def test_a_name_of_the_wrong_form_is_not_imported(name: str) -> None:
    """Only identifiers stand on both sides of the colon."""
    assert said("admission", name).endswith(": expected module:Class, such as mypolicies:NoWeekends")


def test_an_installed_package_offers_policies_by_name(write: Write, install: Callable[[str, str], None]) -> None:
    """An entry point's name can be used like a built-in one, and is listed with its class's first sentence."""
    module = write(
        "class Never:\n"
        "    "
        '"""Nobody gets\n    anything.\n\n    Not even you."""\n'
        "    def admit(self, lease, site, now):\n"
        "        return 'never'\n"
    )
    install("closed", f"[haizea.policy.admission]\nnever = {module}:Never\nlost = {module}:Lost\n")
    assert resolve("admission", "never", CONTEXT).admit(best_effort(), SITE, 0) == "never"
    listed = {policy.name: policy for policy in available("admission")}
    assert listed["never"].description == "Nobody gets anything."
    assert listed["never"].source == "closed"
    assert listed["lost"].description == f"Cannot be used: admission policy 'lost': {module} has no Lost."
    assert "never" in said("admission", "sometimes")


def test_host_selection_has_its_own_group(write: Write, install: Callable[[str, str], None]) -> None:
    """The group of host selection policies is written with an underscore."""
    module = write(SOURCE)
    install("rooms", f"[haizea.policy.host_selection]\nrooms = {module}:Hosts\n")
    assert resolve("host-selection", "rooms", CONTEXT).order is HostOrder.SCORED


def test_a_built_in_name_cannot_be_taken_over(write: Write, install: Callable[[str, str], None]) -> None:
    """A package that calls its policy like a built-in one changes nothing."""
    module = write(SOURCE)
    install("thief", f"[haizea.policy.admission]\naccept-all = {module}:FewArguments\n")
    assert resolve("admission", "accept-all", CONTEXT).admit(reservation(), SITE, 0) is None


def test_two_packages_with_one_name_are_told_apart(write: Write, install: Callable[[str, str], None]) -> None:
    """Which of two packages was meant is not guessed."""
    module = write(SOURCE)
    install("one", f"[haizea.policy.admission]\nmine = {module}:Admission\n")
    install("two", f"[haizea.policy.admission]\nmine = {module}:Other\n")
    assert f"is offered more than once: {module}:Admission, {module}:Other" in said("admission", "mine")


def test_built_in_policies_cost_little_to_load() -> None:
    """A run with the default policies loads nothing that only users' policies or prices need."""
    heavy = ["dataclasses", "decimal", "fractions", "importlib.metadata", "inspect", "logging", "random"]
    heavy.append("haizea.policy.pricing")
    source = str(Path(haizea.__file__).parent.parent)
    program = (
        f"import sys; sys.path.insert(0, {source!r})\n"
        "from haizea.policy.registry import PolicyContext, resolve\n"
        "for kind, name in [('admission', 'accept-all'), ('preemption', 'ar-preempts-everything'),\n"
        "                   ('host-selection', 'greedy'), ('pricing', 'free')]:\n"
        "    resolve(kind, name, PolicyContext())\n"
        f"print(*[name for name in {heavy} if name in sys.modules])\n"
    )
    run = subprocess.run(
        [sys.executable, "-IS", "-c", program], capture_output=True, text=True, check=False, timeout=60
    )
    assert (run.stdout, run.stderr) == ("\n", "")


def test_what_a_users_policy_returns_is_watched(write: Write) -> None:
    """A policy that was loaded is refused by its name as soon as it answers what it may not."""
    module = write(
        "class Talkative:\n"
        "    def admit(self, lease, site, now):\n"
        "        return ['no']\n"
        "class Shifty:\n"
        "    @property\n"
        "    def admit(self):\n"
        "        raise LookupError('nothing here')\n"
    )
    policy = resolve("admission", f"{module}:Talkative", CONTEXT)
    with pytest.raises(PolicyError, match=rf"^admission policy '{module}:Talkative': admit\(\) returned \['no'\]"):
        policy.admit(best_effort(), SITE, 0)
    assert said("admission", f"{module}:Shifty").endswith("failed with LookupError: nothing here")
