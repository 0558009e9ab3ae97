"""Workloads and annotations made up after a recipe, and what is said of a recipe that makes no sense."""

from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haizea.app.recipe import read_recipe
from haizea.config import ConfigError
from haizea.model.lease import LeaseRequest, LeaseTerms, LeaseType, NodeSet
from haizea.model.resources import CPU, Capacity
from haizea.model.units import DAY, HOUR, MINUTE, SECOND
from haizea.workloads.annotations import Annotations, annotate, read_annotations
from haizea.workloads.distributions import BoundedPareto, Choice, Distribution, Normal, TruncatedPareto, Uniform
from haizea.workloads.errors import WorkloadError
from haizea.workloads.load import load
from haizea.workloads.lwf_write import write_annotations, write_lwf
from haizea.workloads.recipe import Recipe, make_annotations, make_workload

VM = Capacity({"CPU": 100, "Memory": 512})
RESERVATIONS = """\
[general]
attributes: kind=made up,size=small
site: 16 CPU:100,Memory:1024

[numleases]
type: interval
numleases: 200
distribution: uniform
discrete: True
values: 60 120 180

[start-delay]
type: absolute
distribution: normal
min: 0
max: unbounded
mu: 3600
sigma: 1200

[duration]
distribution: bounded-pareto
min: 600
max: 7200
alpha: 1.1

[nodes]
distribution: uniform
discrete: True
min: 1
max: 8
resources: CPU:100,Memory:512
seed: 5
"""
UTILIZATION = """\
[numleases]
type: utilization
utilization: 50
last-request: 2:00:00:00
distribution: uniform
min: -600
max: 600
"""


def recipe(folder: Path, text: str, name: str = "recipe.conf") -> Recipe:
    """Return the recipe that a file holds."""
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return read_recipe(str(path))


def lease(number: int = 1, duration: int | None = HOUR, user: str = "ann", **extra: str) -> LeaseRequest:
    """A best-effort lease of one VM."""
    return LeaseRequest(number, 0, LeaseTerms((NodeSet(1, VM),), duration, user=user, extra=extra))


def test_reservations_come_one_after_the_other(tmp_path: Path) -> None:
    """As many as asked for, at the intervals, sizes, lengths and delays that were described."""
    made = make_workload(recipe(tmp_path, RESERVATIONS), 1, "made")
    requests = list(made.requests)
    assert [request.id for request in requests] == list(range(1, 201))
    assert made.attributes == {"kind": "made up", "size": "small"}
    assert made.site is not None
    assert len(made.site.hosts) == 16
    gaps = {b.arrival - a.arrival for a, b in pairwise(requests)}
    assert gaps == {MINUTE, 2 * MINUTE, 3 * MINUTE}
    for request in requests:
        terms = request.terms
        assert terms.type is LeaseType.ADVANCE_RESERVATION
        assert not terms.preemptible
        assert 1 <= terms.node_count <= 8
        assert terms.nodes[0].demand == VM
        assert 10 * MINUTE <= (terms.duration or 0) <= 2 * HOUR
        assert 0 <= (terms.start or 0) - request.arrival <= 3 * HOUR
    delays = [(request.terms.start or 0) - request.arrival for request in requests]
    assert sum(delays) / len(delays) == pytest.approx(HOUR, rel=0.1)


def test_without_a_start_leases_are_best_effort(tmp_path: Path) -> None:
    """A recipe that says nothing of starts makes leases that may wait and give way."""
    text = RESERVATIONS.replace("[start-delay]\ntype: absolute", "[user-rate]")
    requests = list(make_workload(recipe(tmp_path, text), 1, "made").requests)
    assert {(r.terms.type, r.terms.preemptible) for r in requests} == {(LeaseType.BEST_EFFORT, True)}


def test_so_many_reservations_as_fill_the_site(tmp_path: Path) -> None:
    """The leases ask for the share of the site that was wanted, and their starts are spread over the time."""
    before, _, after = RESERVATIONS.partition("[numleases]")
    text = before + UTILIZATION + "[start-delay]" + after.partition("[start-delay]")[2]
    requests = list(make_workload(recipe(tmp_path, text), 3, "made").requests)
    work = sum(r.terms.node_count * (r.terms.duration or 0) for r in requests)
    assert work / (16 * 2 * DAY) == pytest.approx(0.5, rel=0.03)
    starts = sorted(r.terms.start or 0 for r in requests)
    assert starts[-1] == pytest.approx(2 * DAY, rel=0.1)
    assert starts[len(starts) // 2] == pytest.approx(DAY, rel=0.15)
    assert [r.arrival for r in requests] == sorted(r.arrival for r in requests)


def test_a_seed_fixes_everything_and_each_property_has_its_own(tmp_path: Path) -> None:
    """The same seed, the same leases; a section's own seed holds whatever the run's is."""
    asked = recipe(tmp_path, RESERVATIONS)
    one, same, other = (list(make_workload(asked, seed, "made").requests) for seed in (1, 1, 2))
    assert one == same
    assert [r.terms.duration for r in one] != [r.terms.duration for r in other]
    assert sorted(r.terms.node_count for r in one) == sorted(r.terms.node_count for r in other)


def test_toml_says_the_same(tmp_path: Path) -> None:
    """A recipe may be written in TOML, with numbers and lists as they are."""
    text = (
        '[general]\nattributes = { kind = "made up" }\nsite = "16 CPU:100 Memory:1024"\n'
        '[numleases]\ntype = "interval"\nnumleases = 3\ndistribution = "uniform"\ndiscrete = true\nvalues = [60]\n'
        '[duration]\ndistribution = "uniform"\nmin = 60\nmax = 60.5\n'
        '[nodes]\ndistribution = "uniform"\nmin = 2\nmax = 2\nresources = "CPU:100 Memory:512"\n'
    )
    requests = list(make_workload(recipe(tmp_path, text, "recipe.toml"), 1, "made").requests)
    assert [(r.arrival, r.terms.duration, r.terms.node_count) for r in requests] == [
        (n * MINUTE, MINUTE, 2) for n in (1, 2, 3)
    ]


def test_the_site_may_be_in_a_file_of_its_own(tmp_path: Path) -> None:
    """file:PATH names a file with a site in XML."""
    site = (
        '<site><resource-types names="CPU Memory"/><nodes><node-set numnodes="3"><res type="CPU" amount="200"/>'
        '<res type="Memory" amount="1024"/></node-set></nodes></site>'
    )
    (tmp_path / "site.xml").write_text(site, encoding="utf-8")
    text = RESERVATIONS.replace("16 CPU:100,Memory:1024", f"file:{tmp_path}/site.xml")
    found = recipe(tmp_path, text).site
    assert found is not None
    assert (len(found.hosts), found.total(CPU)) == (3, 600)
    (tmp_path / "site.xml").write_text(site.replace("<nodes>", "<lease-request/><nodes>"), encoding="utf-8")
    with pytest.raises(WorkloadError, match=r"site\.xml:1"):
        recipe(tmp_path, text)


ANNOTATED = """\
[general]
attributes: tightness=some

[start-delay]
type: multiple-of-duration
distribution: uniform
min: 1
max: 2

[deadline-stretch]
type: multiple-of-duration
distribution: uniform
min: 0.5
max: 1.5

[user-rate]
distribution: uniform
min: 0.1
max: 0.9

[software]
distribution: uniform
discrete: True
values: small.img|512 large.img|4096
"""


def test_every_lease_gets_an_annotation(tmp_path: Path) -> None:
    """Start, deadline, image and the user's rate, all in relation to the lease; read back, they can be applied."""
    leases = [lease(n, n * MINUTE, user=f"user {n % 3}") for n in range(1, 61)]
    made = make_annotations(recipe(tmp_path, ANNOTATED), 1, leases)
    with (tmp_path / "a.lwfa").open("w", encoding="utf-8") as stream:
        assert write_annotations(made, stream) == 60
    read = read_annotations(tmp_path / "a.lwfa")
    assert [item._replace(line=0) for item in read.items] == list(made.items)
    assert read.attributes == {"tightness": "some"}
    rates: dict[str, set[str]] = {}
    for request in annotate(leases, read):
        terms, duration = request.terms, request.terms.duration or 0
        assert duration <= (terms.start or 0) <= 2 * duration + SECOND
        room = ((terms.deadline or 0) - (terms.start or 0) - duration) / duration
        assert 0.5 <= room <= 1.5 + SECOND / duration
        assert float(terms.extra["simul_deadline_tau"]) == pytest.approx(room, abs=SECOND / duration + 0.01)
        assert terms.software in ((("small.img", 512)), ("large.img", 4096))
        rates.setdefault(terms.user, set()).add(terms.extra["simul_userrate"])
    assert all(len(found) == 1 for found in rates.values())
    assert len({*map(frozenset, rates.values())}) == 3


def test_a_lease_keeps_what_the_recipe_says_nothing_of(tmp_path: Path) -> None:
    """Without a section for software the lease keeps its image; leases of nobody have rates of their own."""
    text = "[user-rate]\ndistribution: uniform\nmin: 0\nmax: 1\n"
    made = make_annotations(recipe(tmp_path, text), 1, [lease(1, user=""), lease(2, user="-1"), lease(3, user="-1")])
    assert {(item.start, item.deadline, item.new_software) for item in made.items} == {(None, None, False)}
    assert len({item.extra["simul_userrate"] for item in made.items}) == 3


def test_annotations_may_be_for_no_workload_in_particular(tmp_path: Path) -> None:
    """So many annotations without ids, which go by the order of leases."""
    text = "[start-delay]\ntype: absolute\ndistribution: uniform\nmin: 10\nmax: 20\n"
    made = make_annotations(recipe(tmp_path, text), 1, 5)
    assert [item.id for item in made.items] == [None] * 5
    assert all(item.start and 10 * SECOND <= (item.start.exact or 0) <= 20 * SECOND for item in made.items)


def stretched(folder: Path, kind: str, request: LeaseRequest) -> tuple[int, str]:
    """Return when a lease that starts at once must end, and how it was told, with a stretch of 1 of 0 to 2."""
    text = (
        "[start-delay]\ntype: absolute\ndistribution: uniform\nmin: 0\nmax: 0\n"
        f"[deadline-stretch]\ntype: {kind}\ndistribution: normal\nmu: 1\nsigma: 0\nmin: 0\nmax: 2\n"
    )
    (item,) = make_annotations(recipe(folder, text), 1, [request]).items
    return item.deadline or 0, item.extra["simul_deadline_tau"]


def test_a_deadline_may_follow_the_slowdown_of_the_trace(tmp_path: Path) -> None:
    """Half of the range is half of the slowdown that the job had beyond 1; run times below 10 s count as 10 s."""
    slow = lease(SWF_runtime="3600", SWF_waittime="7200")
    assert stretched(tmp_path, "original-slowdown", slow) == (2 * HOUR, "1.00")
    assert stretched(tmp_path, "original-slowdown", lease(SWF_runtime="1", SWF_waittime="20")) == (2 * HOUR, "1.00")
    assert stretched(tmp_path, "original-slowdown", lease(SWF_runtime="50", SWF_waittime="-1")) == (HOUR, "0.00")
    assert stretched(tmp_path, "absolute", lease()) == (HOUR + SECOND, "0.00")
    assert stretched(tmp_path, "multiple-of-duration", lease()) == (2 * HOUR, "1.00")


@pytest.mark.parametrize(
    ("kind", "request_", "message"),
    [
        ("original-slowdown", lease(7), "lease 7, whose slowdown is not known; expected leases of a trace"),
        ("original-slowdown", lease(7, SWF_runtime="x", SWF_waittime="1"), "lease 7, whose slowdown is not known"),
        ("absolute", lease(7, None), "lease 7, which is of unlimited duration"),
    ],
)
def test_a_lease_that_does_not_suit_is_named(tmp_path: Path, kind: str, request_: LeaseRequest, message: str) -> None:
    """Where the recipe needs to know more of a lease than is there, the message says of which."""
    with pytest.raises(WorkloadError, match=message):
        stretched(tmp_path, kind, request_)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[nodes]\ndistribution: unifrom\n", r":2: nodes.distribution: 'unifrom' is not known \(did you"),
        ("[nodes]\nmin: 1\n", "nodes.distribution is missing; allowed: uniform, normal"),
        ("[nodes]\ndistribution: uniform\nmin: 0\nmax: 4\n", ":3: nodes.min: 0 is too low; allowed: 1 or more"),
        ("[nodes]\ndistribution: uniform\nmin: 3\nmax: 1e9\n", r":4: nodes.max: 1e\+09 is too high"),
        ("[nodes]\ndistribution: uniform\nmin: 3\nmax: two\n", ":4: nodes.max: 'two'; allowed: a number, or unbounded"),
        ("[nodes]\ndistribution: uniform\nmin: 3\nmax: nan\n", ":4: nodes.max: 'nan'; allowed: a number"),
        ("[nodes]\ndistribution: uniform\nmin: 3\nmax: 2\n", ":4: nodes.max: 2 must be above min, 3"),
        ("[nodes]\ndistribution: uniform\n", "nodes.min: unbounded is too low"),
        ("[nodes]\ndistribution: uniform\ndiscrete: yes\n", "nodes.values or min and max are missing"),
        ("[nodes]\ndistribution: uniform\ndiscrete: yes\nvalues: 1 -2\n", ":4: nodes.values: '-2'; allowed: numbers"),
        ("[nodes]\nresources: CPU\ndistribution: uniform\nmin: 1\nmax: 2\n", ":2: nodes.resources: 'CPU' is not what"),
        ("[duration]\ndistribution: normal\nmin: 1\nmax: 9\nmu: 3\n", "duration.sigma is missing: distribution is"),
        ("[duration]\ndistribution: truncated-pareto\nmin: 1\nmax: 9\nscale: 0\nalpha: 1\n", ":5: duration.scale: '0'"),
        ("[user-rate]\ndistribution: bounded-pareto\nmin: 0\nmax: 9\nalpha: 1\n", "user-rate.min: must be above 0"),
        ("[software]\ndistribution: uniform\nmin: 1\nmax: 2\n", "software.values is needed, with discrete"),
        ("[software]\ndistribution: uniform\ndiscrete: yes\nvalues: a.img\n", "'a.img'; allowed: image|size"),
        ("[start-delay]\ndistribution: uniform\nmin: 1\nmax: 2\n", "start-delay.type is missing"),
        ("[deadline-stretch]\ntype: absolute\ndistribution: uniform\nmin: 1\nmax: 2\n", "without start-delay"),
        ("[numleases]\ntype: interval\n", "numleases.numleases is missing: type is interval"),
        ("[numleases]\ntype: utilization\nutilization: 5\nlast-request: soon\n", ":4: numleases.last-request: 'soon'"),
        ("[numleases]\n", "numleases.type is missing"),
        ("[general]\nsite: four hosts\n", ":2: general.site: 'four' for a number of hosts"),
        ("[nodez]\n", r"\[nodez\] is not a section \(did you mean 'nodes'\?\)"),
        ("[nodes]\ncolour: red\n", ":2: nodes.colour is not an option"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_recipe_is_told(tmp_path: Path, text: str, message: str) -> None:
    """File, line where there is one, section and option, what is wrong and what is allowed."""
    with pytest.raises(ConfigError, match=message):
        recipe(tmp_path, text)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("[nodes]", "[software]\ndistribution: uniform\ndiscrete: yes\nvalues: a|1\n[nodes]", None),
        ("type: absolute", "type: multiple-of-duration", "start-delay of type multiple-of-duration; expected absolute"),
        ("resources: CPU:100,Memory:512", "", "not enough to make leases; expected the sections numleases, nodes"),
        ("numleases: 200", "numleases: 20000001", "numleases.numleases: '20000001'"),
        ("min: 600\nmax: 7200", "min: 1e9\nmax: 3e9", None),
    ],
)
def test_a_recipe_that_cannot_be_followed_is_refused(tmp_path: Path, old: str, new: str, message: str | None) -> None:
    """What is missing for whole leases is told; what suffices is followed."""
    text = RESERVATIONS.replace(old, new)
    if message is None:
        assert len(list(make_workload(recipe(tmp_path, text), 1, "made").requests)) == 200
        return
    with pytest.raises((ConfigError, WorkloadError), match=message):
        make_workload(recipe(tmp_path, text), 1, "made")


def test_what_is_made_up_can_be_written_and_read(tmp_path: Path) -> None:
    """A workload that is made up is an LWF like any other."""
    made = make_workload(recipe(tmp_path, RESERVATIONS), 1, "made")
    with (tmp_path / "w.lwf").open("w", encoding="utf-8") as stream:
        write_lwf(made, stream)
    assert list(load(tmp_path / "w.lwf").requests) == list(made.requests)


def test_annotations_of_all_kinds_survive_writing(tmp_path: Path) -> None:
    """Odd characters, no image, and starts of any kind come back as they were."""
    text = (
        '<lease-annotations><attributes><attr name="a&amp;b" value="&lt;"/></attributes>'
        '<lease-annotation><start><now/></start><software><none/></software></lease-annotation>'
        '<lease-annotation><start/></lease-annotation><lease-annotation/></lease-annotations>'
    )  # fmt: skip
    (tmp_path / "a.lwfa").write_text(text, encoding="utf-8")
    first = read_annotations(tmp_path / "a.lwfa")
    with (tmp_path / "b.lwfa").open("w", encoding="utf-8") as stream:
        write_annotations(first, stream)
    second = read_annotations(tmp_path / "b.lwfa")

    def plain(read: Annotations) -> tuple[Any, ...]:
        return read.attributes, [item._replace(line=0) for item in read.items]

    assert plain(first) == plain(second)


bounds = st.tuples(st.floats(0.01, 1e9), st.floats(0.01, 1e9)).map(sorted)


@given(bounds, st.floats(0.001, 1000), st.floats(0.001, 1e6), st.booleans(), st.integers(0, 99))
def test_what_is_drawn_lies_within_its_bounds(
    ends: list[float], alpha: float, scale: float, invert: bool, seed: int
) -> None:
    """Whatever the parameters, no number is beyond what the recipe allows."""
    low, high = ends
    drawn: list[Distribution] = [
        Uniform(low, high),
        Normal(low, high, scale, alpha),
        TruncatedPareto(low, high, scale, alpha, invert),
    ]
    for distribution in drawn:
        assert low * (1 - 1e-9) <= distribution.draw(Random(seed)) <= high * (1 + 1e-9)
    found = BoundedPareto(low, high, alpha, invert).draw(Random(seed))
    assert 0 <= found <= high if invert else low * (1 - 1e-9) <= found <= high
    assert Choice((1, 2, 3), TruncatedPareto(0, 1, scale, alpha, invert)).pick(Random(seed)) in (1, 2, 3)


def test_a_truncated_pareto_distribution_has_a_long_tail() -> None:
    """With shape and scale 1, about four fifths of the values lie in the first fifth of the range or little beyond."""
    random = Random(1)
    values = [TruncatedPareto(0, 1, 1, 1).draw(random) for _ in range(10_000)]
    assert sum(value < 0.2 for value in values) / len(values) == pytest.approx(0.733, abs=0.02)
    random = Random(1)
    mirrored = [TruncatedPareto(0, 1, 1, 1, True).draw(random) for _ in range(10_000)]
    assert [1 - value for value in mirrored] == pytest.approx(values)


def test_the_recipe_in_the_guide_can_be_followed(tmp_path: Path) -> None:
    """The example of the documentation makes a workload, and annotations for it."""
    guide = Path(__file__).resolve().parents[2] / "docs" / "guide" / "recipes.md"
    text = guide.read_text(encoding="utf-8").partition("```ini\n")[2].partition("```")[0]
    asked = recipe(tmp_path, text)
    requests = list(make_workload(asked, 0, "made").requests)
    assert len(requests) > 50
    assert len(make_annotations(asked, 0, requests).items) == len(requests)
