"""Spoken digits of our own, and the command that made them."""
