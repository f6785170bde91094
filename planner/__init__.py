"""Everything after the measurement: matrix, problem, solver, plan, audit, export, pages."""

__version__ = "0.1.0"
