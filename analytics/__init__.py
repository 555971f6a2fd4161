"""Questions asked of the ledger: pure functions over a cursor, one module per question."""
