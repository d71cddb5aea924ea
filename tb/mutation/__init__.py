# SPDX-License-Identifier: Apache-2.0
"""Mutation testing of the RTL."""
