"""A command names the hosts that it was given for, whatever is decided after it in the same event."""

from haizea.model.effects import Command, Verb
from haizea.model.lease import DiskImage
from haizea.plan.options import TransferOptions
from tests.core.play import Play


def test_a_command_names_the_hosts_that_the_vms_were_on() -> None:
    """Who is asked for the hosts when the lease is elsewhere already hears where it was, lists of hosts or not."""
    for worked_out in (False, True):
        play = Play(3)
        play.ask(1, vms=2, minutes=60)
        play.go()
        desk = play.scheduler.desk
        stay = desk.leases[1].stays[0]
        stay.vm_hosts = (0, 1) if worked_out else None
        desk.command(Verb.DESTROY, stay, desk.now)
        desk.reseat(stay, (1, 2))
        desk.command(Verb.START, stay, desk.now)
        commands = [effect for effect in desk.effects if isinstance(effect, Command)][-2:]
        assert [command.hosts() for command in commands] == [(0, 1), (1, 2)]
        assert [command.hosts() for command in commands] == [(0, 1), (1, 2)]


def test_a_transfer_names_the_hosts_that_it_began_for() -> None:
    """Whoever gives the image up while it is on its way does not make it go elsewhere."""
    play = Play(2, transfer=TransferOptions(100))
    image = DiskImage("debian", 1000)
    for number in (1, 2):
        play.ask(number, start=10, software=image)
    play.go()
    desk = play.scheduler.desk
    images = desk.images
    assert images is not None
    (transfer,) = images.transfers
    hosts = transfer.destinations()
    images.cancel(desk.leases[2])
    assert hosts() == (0, 1)
    assert len(transfer.hosts) == 1
