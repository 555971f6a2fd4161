"""Keep it: append-only segments, and the collector that loads them exactly once."""
