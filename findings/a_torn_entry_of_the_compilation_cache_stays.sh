#!/usr/bin/env bash
# JAX's persistent compilation cache never mends an entry that was cut off: every later process warns and compiles it anew.
#
# Guess before the run: an entry that cannot be read (its writer was killed, or the disk was full) is compiled once more,
# written again, and found from then on. Entries are written in place, so that such ones do come about.
# Seen with jax 0.10.2, three processes after the entry was cut to half: each warns, none finds it, its size stays.
#   whole: found 0 of 1, then 1 of 1
#   cut off: found 0 of 1, 1 warning; found 0 of 1, 1 warning; found 0 of 1, 1 warning; still half: True
# What works: delete the file. Exits 0 while this is so, 1 once it has changed.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet "jax==0.10.2" "jaxlib==0.10.2"
cat > "$work/call.py" <<'PYTHON'
import sys, warnings
import jax
import numpy as np

events = []
jax.monitoring.register_event_listener(lambda event, **_: events.append(event.rpartition("/")[2]))
jax.config.update("jax_compilation_cache_dir", sys.argv[1])
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
with warnings.catch_warnings(record=True) as warned:
    warnings.simplefilter("always")
    assert float(jax.jit(lambda x: 3.0 * x + 1.0)(np.float32(2.0))) == 7.0
told = sum("Error reading persistent compilation cache" in str(each.message) for each in warned)
warning = f", {told} warning" if told else ""
print(f"found {events.count('cache_hits')} of {events.count('compile_requests_use_cache')}{warning}")
PYTHON
call() { JAX_PLATFORMS=cpu "$work/venv/bin/python" "$work/call.py" "$work/programs"; }
first=$(call)
whole="whole: $first, then $(call | sed 's/found //')"
entry=$(ls "$work/programs/"*-cache)
half=$(($(wc -c < "$entry") / 2))
truncate -s "$half" "$entry"
torn="cut off: $(call); $(call); $(call); still half: $([ "$(wc -c < "$entry")" = "$half" ] && echo True || echo False)"
printf '%s\n%s\n' "$whole" "$torn" | tee "$work/seen"
diff "$work/seen" - <<'SEEN' || exit 1
whole: found 0 of 1, then 1 of 1
cut off: found 0 of 1, 1 warning; found 0 of 1, 1 warning; found 0 of 1, 1 warning; still half: True
SEEN
