"""Calls that other hosts post: batches of call lines, and OpenTelemetry traces."""
