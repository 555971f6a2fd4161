"""Run the named measurements, or all: `python -m benchmarks [startup questions peers …]`."""

from __future__ import annotations

import sys
from importlib import import_module

ALL = (
    "startup",
    "recording",
    "peers",
    "ingest",
    "audit",
    "routing",
    "questions",
    "dashboard",
    "console",
    "gateway",
)


def main() -> int:
    if sys.argv[1:2] == ["fuzz"]:
        return int(import_module("benchmarks.fuzz").main(sys.argv[2:]))
    if sys.argv[1:2] == ["faults"]:
        # Takes options, and a quarter of an hour: by name only.
        code: int = import_module("benchmarks.faults").main(sys.argv[2:])
        return code
    if sys.argv[1:2] == ["gateway"]:
        return int(import_module("benchmarks.gateway").main(sys.argv[2:]))
    if sys.argv[1:2] in (["budget-proof"], ["bucket-proof"]):
        module = import_module(f"benchmarks.{sys.argv[1].replace('-', '_')}")
        return int(module.main(sys.argv[2:]))
    names = sys.argv[1:] or list(ALL)
    unknown = set(names) - set(ALL)
    if unknown:
        print(f"no measurement {', '.join(sorted(unknown))}; there are {', '.join(ALL)}")
        return 2
    for name in names:
        print(f"\n## {name}", flush=True)
        import_module(f"benchmarks.{name}").main()
    return 0


sys.exit(main())
