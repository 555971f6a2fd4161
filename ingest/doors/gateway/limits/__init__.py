"""How often and how much: buckets and budgets, lent by the ledger's owner to each gateway."""
