"""Regressions: jobs, workers, results, and the test plan."""
