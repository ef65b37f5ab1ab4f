"""How fast it is, beside what it is measured against: `python -m tests.bench`; docs/speed.md says how to read it."""
