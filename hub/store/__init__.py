"""All that is kept, and all SQL: SQLite on one machine, PostgreSQL on several."""

from .store import Conflict, Store, StoreError, Work

__all__ = ["Conflict", "Store", "StoreError", "Work"]
