"""The gateway: own keys instead of the Hugging Face token, limits, budgets and audit on the way."""
