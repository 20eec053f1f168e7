"""Random command lines, and damaged checkpoints, artifacts, records and photos, for as long as one likes.

`python -m tests.fuzz --help` shows how; `test_fuzz.py` does a few rounds with the other tests.
"""
