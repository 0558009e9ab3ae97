"""What the image repository sends, as the verifier sees it: one transfer at a time, and there before VMs start."""

from collections.abc import Callable, Sequence
from itertools import pairwise

from haizea.core.reasons import instant
from haizea.experiments.stories import Story
from haizea.model.effects import Command
from haizea.model.site import Site
from haizea.model.units import SECOND, Instant, Span
from haizea.plan.images import Images, Transfer
from haizea.plan.lease import Lease, Phase
from haizea.plan.options import Mechanism, TransferOptions

Report = Callable[[str], None]


class Sendings:
    """Follows the transfers from the repository."""

    def __init__(self, site: Site, options: TransferOptions, images: Images, report: Report) -> None:
        self._site = site
        self._options = options
        self._images = images
        self._report = report
        self._sizes: dict[str, int] = {}
        self._sent: dict[tuple[Instant, Instant, str], tuple[int, ...]] = {}
        self._busy: tuple[Instant, Instant, str] | None = None
        self._seen: list[tuple[Instant, Instant, int]] = []

    def renewed(self, site: Site, images: Images) -> None:
        """Take over a site that has become another one, and who knows which images are where."""
        self._site, self._images = site, images

    def requested(self, story: Story) -> None:
        """Learn how large an image is; of one name with several sizes, the smallest."""
        image = story.terms.software
        if image is not None:
            self._sizes[image.id] = min(image.size, self._sizes.get(image.id, image.size))

    def command(self, story: Story, command: Command) -> None:
        """Follow a transfer that begins."""
        at, until, image = command.at, command.until, story.terms.software
        if image is None:
            self._report(f"Lease {story.id} is sent an image that it does not have, at {instant(at)}.")
            return
        hosts = command.hosts()
        if not hosts:
            # It was broken off at the instant it began.
            return
        self._break_off(at)
        if self._busy is not None and self._busy[1] > at:
            self._report(f"The repository sends {image.id} for lease {story.id} while it is busy, at {instant(at)}.")
        if until - at < (least := self._time(image.size, len(hosts))):
            self._report(
                f"Sending {image.id} for lease {story.id} takes {until - at} ms, not {least}, at {instant(at)}."
            )
        self._busy = (at, until, image.id)
        self._sent[self._busy] = hosts

    def retimed(self, now: Instant, *, early: bool) -> None:
        """Take note that what is being sent takes longer than it was to, or that it has arrived before its time."""
        if self._busy is None or self._busy[1] < now:
            return
        start, end, image = self._busy
        sent = [t for t in self._images.transfers if (t.start, t.image) == (start, image)]
        until = sent[0].end if sent else now if early else end
        hosts = self._sent.pop(self._busy)
        self._busy = (start, until, image)
        self._sent[self._busy] = hosts

    def _break_off(self, now: Instant) -> None:
        """Take note where nobody wants any more what is being sent: the repository is free from now on."""
        if self._busy is not None and self._busy[1] > now:
            start, end, image = self._busy
            if not any((t.start, t.end, t.image) == self._busy for t in self._images.transfers):
                self._busy = (start, min(end, now), image)

    def _time(self, size: int, hosts: int) -> Span:
        options = self._options
        one = options.fixed_time
        if one is None:
            one = -(-size * 8 // options.bandwidth) * SECOND
        return one * hosts if options.mechanism is Mechanism.UNICAST else one

    def after(self, now: Instant) -> None:
        """Check what is planned: one after the other, each in time."""
        transfers = self._images.transfers
        seen = [(t.start, t.end, len(t.targets)) for t in transfers]
        if seen == self._seen:
            return
        self._seen = seen
        self._break_off(now)
        for one, other in pairwise(transfers):
            if one.end > other.start:
                self._report(f"Transfers of {one.image} and {other.image} overlap at {instant(other.start)}.")
        for transfer in transfers:
            self._in_time(transfer)

    def _in_time(self, transfer: Transfer) -> None:
        for lease, host, _vms in transfer.targets:
            waits = lease.stays and lease.stays[0].phase is Phase.PLANNED
            start = lease.stays[0].start if waits else transfer.end
            if start < transfer.end:
                name = self._site.hosts[host].name
                self._report(
                    f"Lease {lease.id} is to start at {instant(start)}, before its image reaches host {name} at "
                    f"{instant(transfer.end)}."
                )

    def started(self, story: Story, lease: Lease, hosts: Sequence[int], at: Instant) -> None:
        """Check that the image of a lease is on every host on which its VMs start."""
        image = story.terms.software
        if image is None:
            return
        brought: dict[int, Instant] = {}
        for host, _vms, start, end in lease.transfers:
            sent = self._sent.get((start, end, image.id))
            if sent is None or host not in sent:
                self._report(f"Lease {story.id} counts on a transfer at {instant(start)} that never was.")
            elif end <= at:
                brought[host] = end
        for host in sorted(set(hosts)):
            if host not in brought and image.id not in self._images.cached(host):
                name = self._site.hosts[host].name
                self._report(f"Lease {story.id} starts on host {name} without its image {image.id}, at {instant(at)}.")

    def check(self, now: Instant) -> None:
        """Check that no host keeps more images than it may."""
        limit = self._options.cache_size
        if limit is None or limit < 0:
            return
        for host, spec in enumerate(self._site.hosts):
            kept = sum(self._sizes.get(image, 0) for image in self._images.cached(host))
            if kept > limit:
                self._report(f"Host {spec.name} keeps {kept} MiB of images, not at most {limit}, at {instant(now)}.")
