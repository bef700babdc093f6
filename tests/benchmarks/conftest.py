"""pytest neither collects nor imports the benchmarks; tests/test_benchmarks.py tries them at small size."""

collect_ignore_glob = ["*.py"]
