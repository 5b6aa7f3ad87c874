"""Settings: the schema, and where each value comes from."""
