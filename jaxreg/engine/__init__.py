"""The population engine: axes → plan → execution → store."""
