"""``python -m planner`` is ``edgeplan``."""

from planner.cli import main

raise SystemExit(main())
