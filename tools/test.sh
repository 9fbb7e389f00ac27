#!/usr/bin/env bash
# Sets everything up and checks the project: style, types, floors, tests. Arguments go to pytest.
. "$(dirname "${BASH_SOURCE[0]}")/venv.sh" dev,tensorboard,ray,cloud
if ! command -v chromium chromium-browser google-chrome >/dev/null && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
  echo "installing chromium for the report's test"
  { apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium; } >/dev/null 2>&1 \
    || echo "chromium could not be installed; the report's browser test will be skipped"
fi
PATH="$PWD/.venv/bin:$PATH"
ruff check .
ruff format --check .
mypy
lint-imports
exec python -m pytest -n "${SEGPIPE_TEST_WORKERS:-2}" --dist worksteal --durations=60 --durations-min=5 "$@"
