"""The DuckDB file: schema, writer, owner and its socket."""
