#!/usr/bin/env bash
# obstore 0.12.1: what `put` returns cannot be given back as the condition of the next `put`.
#
# Guess before the run: `put` returns {"e_tag": …, "version": …}, typed PutResult, and `mode` takes UpdateVersion, with the same two keys, "optional",
# so that `mode=put(…)` puts an object only if it still is what was put last; Rust's object_store has one conversion for just that.
# Seen (obstore 0.12.1, its memory store; S3 alike, without versions of objects): "version" is None, and None is refused:
#   TypeError: 'None' is not an instance of 'str'
# Without the key it works, and a stale e-tag is refused with PreconditionError. The same of `head` and of `get(…).meta`.
# Beside it: `from_url("memory:///one.zarr")` takes the path and drops it, and every call makes another, empty store.
# Exits 0 while this is so, 1 once it has changed.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet obstore==0.12.1
"$work/venv/bin/python" - <<'PYTHON'
import sys

import obstore
from obstore.store import MemoryStore, from_url

store = MemoryStore()
first = obstore.put(store, "lease", b"1", mode="create")
print("put returned", first)
try:
    obstore.put(store, "lease", b"2", mode=first)
    refused = ""
except TypeError as error:
    refused = str(error)
print("mode=that:", refused or "taken")
second = obstore.put(store, "lease", b"2", mode={"e_tag": first["e_tag"]})
try:
    obstore.put(store, "lease", b"3", mode={"e_tag": first["e_tag"]})
    stale = "taken"
except obstore.exceptions.PreconditionError:
    stale = "refused"
print("without the version:", second, "; with a stale tag:", stale)
obstore.put(from_url("memory:///one.zarr"), "a", b"")
again = obstore.list(from_url("memory:///one.zarr")).collect()
print("memory:///one.zarr, opened again, holds", again)
sys.exit(not (first["version"] is None and "None" in refused and stale == "refused" and not again))
PYTHON
