"""Runs and their figures: records, summaries, the verifier."""
