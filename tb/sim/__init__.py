"""Builds simulations and runs them."""
