"""What Haizea costs: ``python -m benchmarks`` measures it and prints tables; docs/performance.md says what they mean."""
