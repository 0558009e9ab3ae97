"""The loop that runs a scheduler, and what it needs of the world: clocks, sources of events, ports."""
