"""What the relay costs, beside what people use instead; `python -m benchmarks`."""
