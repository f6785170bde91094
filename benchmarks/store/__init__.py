"""The store's gates: `python -m benchmarks.store.crash`, `.ingest`, `.query`, `.engines`."""
