"""The audit: who asked for what, what was decided, what an administrator did; never any text."""
