"""The sample: a made-up company's calls, with token counts as in real traces, in its own ledger."""
