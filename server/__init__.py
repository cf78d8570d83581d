"""The service: what runs. See ARCHITECTURE.md for where things live."""

__version__ = "0.1.0"
