"""PostgreSQL: connections, and transactions with something to do before and after the commit."""

from server.db.database import Database, translated
from server.db.transaction import Transaction

__all__ = ["Database", "Transaction", "translated"]
