"""`python -m raycl.data.corpora english german --to runs/text`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from raycl.data.corpora import fetch, names
from raycl.errors import InputError


def main() -> int:
    """Fetch the named corpora; 2 where one cannot be had."""
    parser = argparse.ArgumentParser(prog="python -m raycl.data.corpora", description=__doc__)
    parser.add_argument("corpora", nargs="+", metavar="corpus", help=f"of {', '.join(names())}")
    parser.add_argument("--to", type=Path, default=Path("text"), help="folder for the files")
    arguments = parser.parse_args()
    try:
        for name in arguments.corpora:
            fetch(name, arguments.to)
    except InputError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
