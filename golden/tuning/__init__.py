"""Thresholds: activity, operating points, sweep, search."""
