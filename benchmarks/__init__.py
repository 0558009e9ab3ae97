"""What Haizea costs. ``python -m benchmarks`` measures it; docs/performance.md says what the tables mean."""
