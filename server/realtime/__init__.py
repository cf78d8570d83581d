"""The event log and its readers: emitting inside a transaction, relay, cursor, streams."""
