"""Values shared by every layer: instants, capacities, hosts, leases, events, effects, reasons.

Nothing here decides anything, and nothing here touches the world. Only the standard library is imported.
"""
