# SPDX-License-Identifier: Apache-2.0
"""How many made-up inputs a fuzz test gets: a few, the same in every run, or with `make fuzz`
thousands of new ones. A conftest imports this.
"""

from hypothesis import HealthCheck, settings

_COMMON = {
    "deadline": None,
    "database": None,
    "suppress_health_check": list(HealthCheck),
}
settings.register_profile("short", max_examples=15, derandomize=True, **_COMMON)
settings.register_profile("long", max_examples=5000, print_blob=True, **_COMMON)
settings.load_profile("short")
