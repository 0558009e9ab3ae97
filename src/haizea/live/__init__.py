"""The live loop's parts: the clock that follows real time, the inbox, the step that keeps everything durable.

The loop itself is :mod:`haizea.runtime.loop`, the same that a simulation runs.
"""
