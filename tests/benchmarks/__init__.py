"""The benchmarks, in sizes that measure nothing: that they still run."""
