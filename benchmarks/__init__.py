"""What labkit costs, measured; run one with `python -m benchmarks.bus`, see README.md."""
