"""Write the tables of the README that are made from the code, from the saved figures and from claims.md.

Run: python -m tests.documentation [--check | --claims]
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from tests.documentation import claims, convergence, derivation

README = Path(__file__).parents[2] / "README.md"
TABLES: dict[str, Callable[[], str]] = {
    "derivation": derivation.table,
    "claims": claims.table,
    "convergence": convergence.table,
}
BEGIN, END = "<!-- {0}: written by python -m tests.documentation -->", "<!-- end of {0} -->"


def renewed(text: str) -> str:
    """The text of the README with every table as it should be."""
    for name, table in TABLES.items():
        begin, end = BEGIN.format(name), END.format(name)
        if text.count(begin) != 1 or text.count(end) != 1:
            raise ValueError(f"README.md: expected the marks {begin} and {end} once each, got another number")
        before, rest = text.split(begin)
        text = before + begin + "\n\n" + table() + "\n\n" + end + rest.split(end)[1]
    return text


def main(arguments: list[str] | None = None, readme: Path = README) -> int:
    """Write the tables, or with --check tell whether they are up to date."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing; exit with 1 where a table is out of date")
    parser.add_argument("--claims", action="store_true", help="check every claim first, and write claims.md")
    given = parser.parse_args(arguments)
    if given.claims:
        claims.measure()
    old = readme.read_text(encoding="utf-8")
    new = renewed(old)
    if given.check:
        print("up to date" if new == old else "out of date: run python -m tests.documentation")
        return int(new != old)
    readme.write_text(new, encoding="utf-8")
    print(f"wrote {', '.join(TABLES)} into {readme.name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
