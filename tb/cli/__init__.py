"""Commands: one module for each sub-command of `edgedrnn` and each file in scripts/."""
