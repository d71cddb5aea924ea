"""Mutation testing of the RTL."""
