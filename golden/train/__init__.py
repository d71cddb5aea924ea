"""Training of delta-GRU networks (torch)."""
