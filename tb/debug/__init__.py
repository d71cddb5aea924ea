"""Why a test is red: first divergence, waves, timeline."""
