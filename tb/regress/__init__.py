# SPDX-License-Identifier: Apache-2.0
"""Regressions: jobs, workers, results, and the test plan."""
