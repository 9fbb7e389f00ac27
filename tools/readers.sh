#!/usr/bin/env bash
# Makes .venv-readers at the top of the checkout: other programs' own readers of what `segpipe export` writes, for
# tests/stages/export/test_readers.py. They need other versions of our libraries, and ultralytics is AGPL-3.0, so they live
# apart and are never dependencies of segpipe. What cannot be installed is named and left out; its tests are skipped.
# Usage: bash tools/readers.sh [READER ...]     default: all. TORCH_INDEX=URL names another source of torch.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
readers=("$@")
[ $# -gt 0 ] || readers=(pycocotools geopandas datumaro label-studio-sdk fiftyone ultralytics)
[ -x .venv-readers/bin/python ] || "${PYTHON:-python3}" -m venv .venv-readers
pip=(.venv-readers/bin/python -m pip install --quiet --disable-pip-version-check)
missing=()
for reader in "${readers[@]}"; do
  echo "installing $reader"
  # ultralytics reads data sets with torch: its build for processors is enough, and twenty times smaller
  if [ "$reader" = ultralytics ] && ! .venv-readers/bin/python -c 'import torch' 2>/dev/null; then
    "${pip[@]}" --retries 0 --index-url "${TORCH_INDEX:-https://download.pytorch.org/whl/cpu}" torch torchvision \
      2>/dev/null || "${pip[@]}" torch torchvision || true
  fi
  "${pip[@]}" "$reader" || missing+=("$reader")
done
.venv-readers/bin/python -m pip list --disable-pip-version-check 2>/dev/null |
  grep -iE '^(pycocotools|geopandas|datumaro|label-studio-sdk|fiftyone|ultralytics) ' || true
[ ${#missing[@]} -eq 0 ] || { echo "could not be installed: ${missing[*]}" >&2; exit 5; }
