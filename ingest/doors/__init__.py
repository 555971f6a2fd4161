"""Doors: every way a call comes in."""
