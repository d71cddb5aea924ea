"""Functional coverage and code coverage."""
