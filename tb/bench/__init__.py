# SPDX-License-Identifier: Apache-2.0
"""The test bench of the whole core, and how a pytest case reaches it."""
