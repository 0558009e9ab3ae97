"""The scheduler: events in, effects out; lease states, reactions, booking, the queue, reasons."""
