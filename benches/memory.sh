#!/usr/bin/env bash
# Peak memory of making and training on datasets of 5,000, 50,000 and 500,000 sequences (0.1, 1 and 11 GB; needs Linux and the disk):
#   cargo build --release && benches/memory.sh FOLDER [SEQUENCES...]
# Anonymous memory only, sampled every 50 ms: mapped files are the system's to keep or drop.
set -euo pipefail
[ $# -ge 1 ] || { echo "usage: $0 FOLDER [SEQUENCES...]" >&2; exit 2; }
kinostate=$(realpath "$(dirname "$0")/../${CARGO_TARGET_DIR:-target}/release/kinostate" 2>/dev/null || realpath "$CARGO_TARGET_DIR/release/kinostate")
mkdir -p "$1" && cd "$1" && shift
cat > memory.yaml <<'YAML'
name: memory
question: Does memory grow with the data?
data:
  simulator: { bouncing_ball: {} }
  video: { width: 32, height: 32, walls: true }
  frames: 20
  dt: 0.2
  splits: { train: 500000, validation: 200, test: 200 }
models:
  lg_vae: { lg_vae: {} }
train: { steps: 30, batch: 32, validate_every: 30 }
YAML
peak() {
  "$@" & local process=$! most=0 now
  while kill -0 "$process" 2>/dev/null; do
    now=$(awk '/RssAnon/ { print $2 }' "/proc/$process/status" 2>/dev/null || true)
    [ "${now:-0}" -gt "$most" ] && most=$now
    sleep 0.05
  done
  wait "$process"
  echo "$((most / 1024)) MB"
}
for sequences in "${@:-5000 50000 500000}"; do
  for n in $sequences; do
    for stage in generate train; do
      echo "$n sequences, $stage: $(peak "$kinostate" "$stage" memory.yaml --quiet --set "data.splits.train=$n" --out "run-$n")"
    done
    rm -r "run-$n"
  done
done
