#!/usr/bin/env bash
# Seconds and peak memory of every stage at 64 x 64, 128 x 128 and 256 x 256 in colour, with default networks: the table of
# sizes in benches/README.md. Wants GNU time; give the sides as arguments for others, KINOSTATE for another program.
#   cargo build --release && benches/sizes.sh
set -euo pipefail
cd "$(dirname "$0")/.."
kinostate=$(realpath "${KINOSTATE:-${CARGO_TARGET_DIR:-target}/release/kinostate}")
sides=("$@")
[ ${#sides[@]} -gt 0 ] || sides=(64 128 256)
steps=10
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

grep -m1 'model name' /proc/cpuinfo | sed 's/.*: //'
echo "cores: $(nproc), of avx2 avx512f amx_bf16: $(grep -owE 'avx2|avx512f|amx_bf16' /proc/cpuinfo | sort -u | tr '\n' ' ')"
echo "120 + 20 + 20 clips of 20 frames, batch 32, $steps steps of lg_vae; seconds / peak MB of each stage"
echo "| side | generate | train, a step | encode | analyze with baselines | plot | report |"
echo "|---|---|---|---|---|---|---|"
for side in "${sides[@]}"; do
  file=$scratch/$side.yaml
  cat >"$file" <<YAML
name: size
question: What does a frame of this size take?
data:
  simulator: { bouncing_ball: {} }
  video: { width: $side, height: $side, colour: true }
  frames: 20
  dt: 0.2
  splits: { train: 120, validation: 20, test: 20 }
models: { m: { lg_vae: {} } }
train: { steps: $steps, validate_every: $steps }
YAML
  row="| $side |"
  for stage in generate train encode analyze plot report; do
    /usr/bin/time -o "$scratch/time" -f '%e %M' "$kinostate" "$stage" "$file" --out "$scratch/out-$side" --quiet
    read -r seconds kilobytes < <(tail -n 1 "$scratch/time")
    [ "$stage" = train ] && seconds=$(awk "BEGIN { printf \"%.2f\", $seconds / $steps }")
    row+=" $seconds / $((kilobytes / 1024)) |"
  done
  echo "$row"
  rm -rf "$scratch/out-$side"
done
