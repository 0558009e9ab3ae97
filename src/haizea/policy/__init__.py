"""Choices a site makes: which leases are admitted, where they run, which may be preempted, and what they cost.

A policy judges and never acts: it is handed read-only views and answers with a sentence, a score or a price.
"""
