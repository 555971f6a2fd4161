"""Measurements that the documentation quotes: `make bench` runs them all, one after the other."""
