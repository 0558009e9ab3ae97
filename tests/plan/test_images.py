"""The repository sends one image at a time, in time, and hosts keep no more images than they may."""

from itertools import pairwise
from typing import NamedTuple

from hypothesis import given, settings
from hypothesis import strategies as st

from haizea.model.lease import NO_CONSTRAINTS, DiskImage, LeaseTerms, NodeSet
from haizea.model.resources import Capacity
from haizea.model.site import Host, HostState, Site
from haizea.model.units import HOUR, SECOND, Instant
from haizea.plan.hosts import Hosts
from haizea.plan.images import Images, Transfer, TransferState
from haizea.plan.lease import Lease, Stay
from haizea.plan.mapping import Mapper
from haizea.plan.need import Needs
from haizea.plan.options import Mechanism, Options, TransferOptions
from haizea.plan.slottable import SlotTable
from haizea.policy.protocols import HostOrder

SITE = Site(tuple(Host(f"host-{i}", Capacity({"CPU": 200, "Memory": 2048})) for i in range(4)))
VM = Capacity({"CPU": 100, "Memory": 1024})
IMAGES = [DiskImage("debian", 500), DiskImage("centos", 800), DiskImage("arch", 300)]
MULTICAST = TransferOptions(bandwidth=100)


class World:
    """A repository and a slot table, without a scheduler."""

    def __init__(self, options: TransferOptions) -> None:
        self.table = SlotTable(SITE, 0)
        self.hosts = Hosts(self.table)
        self.images = Images(self.table, self.hosts, options)
        self.needs = Needs(self.table, Options())
        self.mapper = Mapper(self.table, HostOrder.FIRST_FIT)
        self.leases: list[Lease] = []

    def lease(self, image: DiskImage, vms: int, start: Instant | None = None) -> Lease:
        """A lease: a reservation where it has a start, else best effort."""
        terms = LeaseTerms((NodeSet(vms, VM),), HOUR, start, software=image)
        lease = Lease(len(self.leases) + 1, terms, self.needs.of(terms), self.table.now, len(self.leases))
        self.leases.append(lease)
        return lease

    def plan(self, lease: Lease, start: Instant, hosts: set[int] | None = None) -> list[Transfer] | None:
        """Plan what a lease needs that is to start at an instant, on some of these hosts."""
        usable = self.table.everything() if hosts is None else self.table.masks(hosts)
        states = self.table.window(start, start + HOUR)
        placement = self.mapper.place(lease.need, states, usable, lease.terms.constraints)
        assert placement is not None
        return self.images.plan(lease, Stay(lease, placement, start, start, start + HOUR, start + HOUR), self.table.now)

    def sent(self, lease: Lease, start: Instant, hosts: set[int] | None = None) -> Transfer:
        """The one transfer that is planned for a lease."""
        planned = self.plan(lease, start, hosts)
        assert planned is not None
        assert len(planned) == 1
        return planned[0]

    def advance(self, now: Instant) -> None:
        """Let time pass; transfers begin and end."""
        for transfer in list(self.images.transfers):
            if transfer.start <= now and transfer.state is TransferState.PLANNED:
                self.images.begin(transfer)
            if transfer.end <= now:
                self.images.finish(transfer)
        self.table.advance(now)


class Request(NamedTuple):
    """Somebody wants an image: ``wait`` is how long after the request, ``None`` as soon as possible."""

    image: DiskImage
    vms: int
    wait: int | None
    hosts: tuple[int, ...]
    pause: int
    cancel: bool


REQUESTS = st.builds(
    Request,
    st.sampled_from(IMAGES),
    st.integers(1, 4),
    st.one_of(st.none(), st.integers(0, 400)),
    st.lists(st.integers(0, 3), min_size=2, max_size=4, unique=True).map(tuple),
    st.integers(0, 90),
    st.booleans(),
)


@st.composite
def options(draw: st.DrawFn) -> TransferOptions:
    """Rules for the repository."""
    return TransferOptions(
        bandwidth=100,
        mechanism=draw(st.sampled_from(Mechanism)),
        avoid_redundant=draw(st.booleans()),
        fixed_time=draw(st.sampled_from([None, 20 * SECOND])),
        cache_size=draw(st.sampled_from([None, -1, 900, 1200])),
    )


@given(options(), st.lists(REQUESTS, min_size=1, max_size=12))
@settings(max_examples=200)
def test_the_repository_sends_one_image_at_a_time_and_in_time(rules: TransferOptions, asked: list[Request]) -> None:
    """No two transfers overlap, each is over before it is needed, and hosts keep no more images than they may."""
    world = World(rules)
    sizes = {image.id: image.size for image in IMAGES}
    for image, vms, wait, hosts, pause, cancel in asked:
        now = world.table.now
        lease = world.lease(image, vms, None if wait is None else now + wait * SECOND)
        points = world.images.points(lease, now)
        start = points[-1].at if wait is None else now + wait * SECOND
        planned = world.plan(lease, start, set(hosts))
        if wait is None:
            assert planned is not None
        for transfer in planned or ():
            assert now <= transfer.start < transfer.end <= start
        ordered = world.images.transfers
        for i, transfer in enumerate(ordered[1:]):
            assert ordered[i].end <= transfer.start
        if cancel:
            world.images.cancel(lease)
        world.advance(now + pause * SECOND)
        if rules.cache_size is not None and rules.cache_size >= 0:
            for host in range(len(SITE.hosts)):
                assert sum(sizes[name] for name in world.images.cached(host)) <= rules.cache_size


def test_an_image_for_a_reservation_is_sent_as_late_as_is_safe() -> None:
    """Of two reservations, each image arrives just in time; the later one does not delay the earlier."""
    world = World(MULTICAST)
    late = world.plan(world.lease(IMAGES[0], 2, 600 * SECOND), 600 * SECOND)
    early = world.plan(world.lease(IMAGES[1], 2, 580 * SECOND), 580 * SECOND)
    assert [(t.start, t.end) for t in late or ()] == [(560 * SECOND, 600 * SECOND)]
    assert [(t.start, t.end) for t in early or ()] == [(496 * SECOND, 560 * SECOND)]


def test_images_for_best_effort_leases_are_sent_in_the_order_they_are_asked_for() -> None:
    """Who asks first is served first, at once."""
    world = World(MULTICAST)
    for image, expected in ((IMAGES[0], (0, 40)), (IMAGES[1], (40, 104)), (IMAGES[2], (104, 128))):
        lease = world.lease(image, 2)
        transfer = world.sent(lease, world.images.points(lease, 0)[-1].at)
        assert (transfer.start, transfer.end) == (expected[0] * SECOND, expected[1] * SECOND)


def test_unicast_serves_one_host_after_the_other() -> None:
    """Without multicast an image takes as often as long as there are hosts to bring it to."""
    world = World(TransferOptions(100, Mechanism.UNICAST))
    transfer = world.sent(world.lease(IMAGES[0], 4, 600 * SECOND), 600 * SECOND)
    assert transfer.end - transfer.start == 2 * 40 * SECOND
    assert transfer.destinations()() == (0, 1)


def test_a_lease_rides_on_a_transfer_of_the_same_image() -> None:
    """A second lease on the same host needs no transfer of its own; with multicast not on another host either."""
    world = World(MULTICAST)
    first = world.sent(world.lease(IMAGES[0], 2, 600 * SECOND), 600 * SECOND, {0})
    assert world.plan(world.lease(IMAGES[0], 1, 600 * SECOND), 600 * SECOND, {0}) == []
    assert world.plan(world.lease(IMAGES[0], 2, 700 * SECOND), 700 * SECOND, {3}) == []
    assert first.destinations()() == (0, 3)


def test_every_lease_has_its_own_transfer_where_redundant_ones_are_not_avoided() -> None:
    """Where riding is turned off, the same image is sent to the same host twice."""
    world = World(TransferOptions(100, avoid_redundant=False))
    for _ in range(2):
        assert world.sent(world.lease(IMAGES[0], 1, 600 * SECOND), 600 * SECOND, {0}).destinations()() == (0,)


def test_a_transfer_that_nobody_wants_any_more_is_dropped() -> None:
    """Cancelling one of two leases keeps their transfer; cancelling the other drops it."""
    world = World(MULTICAST)
    one, other = world.lease(IMAGES[0], 1, 600 * SECOND), world.lease(IMAGES[0], 1, 600 * SECOND)
    transfer = world.sent(one, 600 * SECOND, {0})
    world.plan(other, 600 * SECOND, {0})
    assert world.images.cancel(one) == []
    assert world.images.transfers == [transfer]
    assert world.images.cancel(other) == [transfer]
    assert world.images.transfers == []


def test_the_image_used_least_recently_is_evicted_first() -> None:
    """A host makes room for a new image by dropping unused ones, the least recently used first, never one in use."""
    world = World(TransferOptions(100, cache_size=1400))
    leases = []
    for number, image in enumerate(IMAGES[:2]):
        lease = world.lease(image, 1)
        world.plan(lease, world.images.points(lease, world.table.now)[-1].at, {0})
        world.advance((number + 1) * 100 * SECOND)
        leases.append(lease)
    assert world.images.cached(0) == ["debian", "centos"]
    world.images.forget(leases[0])
    third = world.lease(IMAGES[2], 1)
    world.plan(third, world.images.points(third, world.table.now)[-1].at, {0})
    world.advance(400 * SECOND)
    assert world.images.cached(0) == ["centos", "arch"]


def test_an_image_that_a_host_keeps_needs_no_transfer() -> None:
    """A lease can start at once on a host that has its image already."""
    world = World(TransferOptions(100, cache_size=-1))
    first = world.lease(IMAGES[0], 1)
    world.plan(first, world.images.points(first, 0)[-1].at, {2})
    world.advance(100 * SECOND)
    points = world.images.points(world.lease(IMAGES[0], 1), world.table.now)
    assert points[0].at == world.table.now
    assert points[0].hosts == world.table.masks({2})
    assert world.plan(world.leases[-1], world.table.now, {2}) == []


def test_an_image_that_cannot_be_there_in_time_is_refused() -> None:
    """A reservation whose image takes longer than there is time gets no transfer."""
    world = World(MULTICAST)
    assert world.plan(world.lease(IMAGES[0], 1, 39 * SECOND), 39 * SECOND) is None
    assert world.images.transfers == []


def test_no_host_is_proposed_where_none_may_be_used() -> None:
    """With every host down there is a time to look again, but no host on which a lease could start then."""
    world = World(MULTICAST)
    for host in range(len(SITE.hosts)):
        world.hosts.set_state(host, HostState.DOWN)
    (point,) = world.images.points(world.lease(IMAGES[0], 1), 0)
    assert point.hosts == world.table.masks(set())


JOBS = st.lists(st.tuples(st.integers(0, 120), st.integers(100, 1300), st.integers(0, 500)), min_size=1, max_size=12)


def promise(world: World, image: DiskImage, start: Instant) -> list[Transfer] | None:
    """Plan the image of a reservation of one VM; where that works out, it is kept."""
    lease = world.lease(image, 1, start)
    placement = world.mapper.place(
        lease.need, world.table.window(start, start), world.table.everything(), NO_CONSTRAINTS
    )
    assert placement is not None
    stay = Stay(lease, placement, start, start, start + HOUR, start + HOUR)
    planned = world.images.plan(lease, stay, world.table.now)
    if planned is not None:
        lease.stays = [stay]
    return planned


@given(JOBS)
def test_images_of_reservations_are_refused_only_if_no_order_could_bring_them_in_time(
    jobs: list[tuple[int, int, int]],
) -> None:
    """As late as is safe, and yet as many as the earliest deadline first could bring; each is over when it must be."""
    world, now = World(MULTICAST), 0
    for number, (pause, size, ahead) in enumerate(jobs):
        now += pause * SECOND
        world.advance(now)
        start, image = now + ahead * SECOND, DiskImage(f"image-{number}", size)
        transfers = world.images.transfers
        at = max([now, *(t.end for t in transfers if t.state is TransferState.ACTIVE)])
        due = [(t.targets[0][0].stays[0].start, t.end - t.start) for t in transfers if t.state is TransferState.PLANNED]
        possible = True
        for deadline, length in sorted([*due, (start, -(-size * 8 // 100) * SECOND)]):
            at += length
            possible = possible and at <= deadline
        before = world.images.placed()
        planned = promise(world, image, start)
        assert (planned is not None) is possible
        if planned is None:
            assert world.images.placed() == before
        for transfer, following in pairwise(world.images.transfers):
            assert transfer.end <= following.start
        for transfer in world.images.transfers:
            assert transfer.state is TransferState.ACTIVE or transfer.start >= now
            assert transfer.end <= transfer.targets[0][0].stays[0].start


def test_what_is_planned_already_makes_way_for_a_reservation() -> None:
    """A transfer of 82 s that was to end in time moves forward, so that another one of 82 s is in time, too."""
    world = World(MULTICAST)
    promise(world, DiskImage("debian", 1024), 200 * SECOND)
    world.advance(50 * SECOND)
    planned = promise(world, DiskImage("centos", 1024), 230 * SECOND)
    assert planned is not None
    assert {t.image: (t.start // SECOND, t.end // SECOND) for t in planned} == {
        "debian": (66, 148),
        "centos": (148, 230),
    }
