# Sourced by the other scripts: makes .venv at the top of the checkout and installs segpipe into it.
# Usage: . tools/venv.sh [EXTRA]      EXTRA is an optional dependency group, such as dev
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

find_python() {
  local candidate
  for candidate in "${PYTHON:-}" python3.12 python3.11 python3 python3.13 python3.14 python; do
    if [ -n "$candidate" ] && "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
      echo "$candidate"
      return
    fi
  done
  echo "segpipe needs Python 3.11 or later; none was found (set PYTHON=/path/to/python)" >&2
  exit 5
}

if [ ! -x .venv/bin/python ]; then
  python=$(find_python)
  echo "making .venv with $("$python" --version)"
  "$python" -m venv .venv
fi
wanted="${1:-plain} $(cat pyproject.toml tools/constraints.txt | cksum)"
if [ "$(cat .venv/.segpipe 2>/dev/null)" != "$wanted" ]; then
  echo "installing segpipe and what it needs (some minutes the first time)"
  .venv/bin/python -m pip install --quiet --disable-pip-version-check -c tools/constraints.txt -e ".${1:+[$1]}" \
    2> >(grep -v '^WARNING: Location' >&2)
  echo "$wanted" > .venv/.segpipe
fi
