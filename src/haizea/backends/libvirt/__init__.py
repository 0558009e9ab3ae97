"""Hosts that run VMs by way of libvirt: QEMU and KVM, each host with a connection of its own."""
