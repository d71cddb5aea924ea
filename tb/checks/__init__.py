"""Compares the core with the golden model: trace, comparison, scoreboard."""
