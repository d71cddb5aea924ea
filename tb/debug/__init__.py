# SPDX-License-Identifier: Apache-2.0
"""Why a test is red: first divergence, waves, timeline."""
