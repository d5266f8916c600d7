"""Runs at night: writes a report for each customer and uploads it."""

import sqlite3
import subprocess
import sys
from pathlib import Path

from tickets import tickets_of

TARGET = "reports.example.org:incoming/"


def upload(report: Path) -> None:
    """Uploads a report, then removes it here."""
    subprocess.run(["rsync", "--compress", str(report), TARGET])
    report.unlink()


def main(customers: list[str]) -> None:
    """Writes and uploads a report for each customer."""
    db = sqlite3.connect("tickets.sqlite")
    for customer in customers:
        report = Path(f"{len(customer)}-{abs(hash(customer))}.txt")
        report.write_text("\n".join(map(str, tickets_of(db, customer))))
        upload(report)


if __name__ == "__main__":
    main(sys.argv[1:])
