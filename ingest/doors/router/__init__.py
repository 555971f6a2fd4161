"""The router: a program asks for a task, and gets the best target that is healthy and allowed."""
