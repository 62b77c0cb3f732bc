"""The benchmark suite: one command, one page. See docs/benchmarks.md for the method, bench/README.md for the parts."""
