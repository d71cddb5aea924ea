"""Synthesis, place and route: area and clock of the core."""
