"""Putting the parts together: what each command does, once its options have been read."""
