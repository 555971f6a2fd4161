"""Documents: a long text is read, split into chunks that a model takes, and put together again."""
