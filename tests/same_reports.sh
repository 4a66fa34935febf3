#!/usr/bin/env bash
# Builds two commits on this machine, runs quickstart and a small kalman_box with both, and compares summary.json and report.md: what
# differs is printed, up to the block with the resolved YAML. f32 differs between kinds of processors, so there are no golden files.
# usage: tests/same_reports.sh BEFORE [AFTER] [SCRATCH]
set -euo pipefail
before=${1:?the commit before}; after=${2:-HEAD}; scratch=${3:-$(mktemp -d)}
root=$(git rev-parse --show-toplevel)
small=(--set train.steps=300 --set train.law_from=150 --set data.splits.train=600 --set 'seeds=[0]')
run() { # name commit
  local folder=$scratch/$1
  mkdir -p "$folder"
  git -C "$root" archive "$2" | tar -x -C "$folder"
  (cd "$folder" && CARGO_TARGET_DIR=$scratch/target-$1 cargo build --release --locked --quiet &&
    "$scratch/target-$1/release/kinostate" run experiments/quickstart.yaml --quiet --out "$folder/out/quickstart" &&
    "$scratch/target-$1/release/kinostate" run experiments/kalman_box.yaml --quiet --out "$folder/out/kalman_box" "${small[@]}")
}
run before "$before"
run after "$after"
# Without the block of the resolved YAML, which says what the program of that commit knows.
plain() { sed '/^```yaml/,/^```$/d' "$1"; }
status=0
for name in quickstart kalman_box; do
  for file in summary.json report.md; do
    if diff <(plain "$scratch/before/out/$name/$file") <(plain "$scratch/after/out/$name/$file") >"$scratch/$name-$file.diff"; then
      echo "same bytes: $name/$file"
    elif grep -q '^<' "$scratch/$name-$file.diff"; then
      echo "lines gone or changed in $name/$file:"; grep '^<' "$scratch/$name-$file.diff"; status=1
    else
      echo "only additions: $name/$file"; grep '^>' "$scratch/$name-$file.diff"
    fi
  done
done
exit $status
