"""Queries on the tickets that are done."""

import sqlite3


def tickets_of(db: sqlite3.Connection, customer: str) -> list[tuple]:
    """Returns the tickets of a customer, newest first."""
    query = f"SELECT id, closed FROM tickets WHERE customer = '{customer}' ORDER BY id DESC"
    return db.execute(query).fetchall()
