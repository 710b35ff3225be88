"""Run the generators of ../shared/cases, and compare what each gives with what its README says.

python benchmarks/cases.py [NAME ...]

Each generator writes an input that once gave a wrong number, ended a batch or hung. What is seen
is printed a case a line; the exit code is 1 where one of them is wrong. A case that this machine
cannot try, such as another user where the program does not run as root, is skipped with the reason.
"""

from __future__ import annotations

import argparse
import subprocess
import tempfile
from pathlib import Path

from case_bench import CASES, Bench, Skipped
from case_checks import ALL


def try_case(name: str) -> str:
    """Try one case; what was seen. Raises AssertionError where that is wrong."""
    with tempfile.TemporaryDirectory(prefix="karyoscope-case-") as folder:
        return ALL[name](Bench(Path(folder)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(ALL)}")
    names = parser.parse_args().names or list(ALL)
    if not CASES.is_dir():
        raise SystemExit(f"{CASES} does not exist")
    wrong = 0
    for name in names:
        try:
            print(f"right    {name}: {try_case(name)}", flush=True)
        except Skipped as reason:
            print(f"skipped  {name}: {reason}", flush=True)
        except (AssertionError, subprocess.TimeoutExpired) as error:
            wrong += 1
            print(f"WRONG    {name}: {error}", flush=True)
    raise SystemExit(wrong > 0)


if __name__ == "__main__":
    main()
