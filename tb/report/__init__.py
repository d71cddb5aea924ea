# SPDX-License-Identifier: Apache-2.0
"""The page of a regression: what was measured, judged, and shown in one static HTML file."""
