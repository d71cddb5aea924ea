# SPDX-License-Identifier: Apache-2.0
"""``python -m golden.train``: trains a network from a data set to a model file."""

import sys

from golden.train.training import main

if __name__ == "__main__":
    sys.exit(main())
