"""Seconds of each test file, out of a run's report, for tests/durations.json.

make test PYTEST_ADDOPTS=--junitxml=build/tests.xml
python -m tests.helpers.durations build/tests.xml > tests/durations.json
"""

from __future__ import annotations

import json
import sys
from collections import defaultdict
from pathlib import Path
from xml.etree import ElementTree

from tests.helpers.paths import ROOT

LEAST_SECONDS = 2
"""Shorter files may come in any order."""


def seconds_of_files(report: Path, root: Path = ROOT) -> dict[str, int]:
    """Whole seconds of each file under `root`, the longest first; short ones are left out."""
    seconds: dict[str, float] = defaultdict(float)
    for test in ElementTree.parse(report).iter("testcase"):
        # A class may follow the module's name.
        parts = test.get("classname", "").split(".")
        names = ["/".join(parts[:count]) + ".py" for count in range(len(parts), 0, -1)]
        file = next((name for name in names if (root / name).is_file()), None)
        if file is not None:
            seconds[file] += float(test.get("time", 0))
    longest = sorted(seconds, key=lambda file: (-seconds[file], file))
    return {file: round(seconds[file]) for file in longest if seconds[file] >= LEAST_SECONDS}


if __name__ == "__main__":
    print(json.dumps(seconds_of_files(Path(sys.argv[1])), indent=2))
