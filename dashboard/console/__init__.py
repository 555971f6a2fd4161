"""The console: one question to up to four columns, side by side, and what each is worth."""
