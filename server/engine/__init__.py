"""The Socket.IO transport: true to the protocol, bounded, fast. Knows nothing of the club."""
