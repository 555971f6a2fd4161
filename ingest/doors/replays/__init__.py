"""Replays: a share of a key's calls is sent to a candidate model too, and judged at once."""
