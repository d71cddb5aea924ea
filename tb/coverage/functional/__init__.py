# SPDX-License-Identifier: Apache-2.0
"""Functional coverage of the core: what is to be reached, and what was.

`groups`: the groups and their bins. `network`, `port`: sampling. `collector`: around a running
simulation. `merge`: files of many runs, exclusions, the report.
"""
