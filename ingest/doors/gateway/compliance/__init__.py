"""What is looked for in a request before it is sent, and what may be sent where."""
