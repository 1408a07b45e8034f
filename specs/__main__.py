"""`python -m specs [SERVICE …]`: lints the documents."""

from __future__ import annotations

import sys

from specs.lint import lint
from specs.load import ROOT, SERVICES


def main(arguments: list[str]) -> int:
    chosen = arguments or [s for s in SERVICES if any((ROOT / s).glob("*.yaml"))]
    problems = [problem for service in chosen for problem in lint(service)]
    for problem in problems:
        print(problem)
    print(f"{len(problems)} problem(s) in {', '.join(chosen)}")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
