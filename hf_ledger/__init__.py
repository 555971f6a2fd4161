"""hf-ledger."""
