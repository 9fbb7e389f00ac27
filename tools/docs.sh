#!/usr/bin/env bash
# Builds the site of docs/ into build/docs. Warnings, such as dead links, fail. Arguments go to sphinx-build.
. "$(dirname "${BASH_SOURCE[0]}")/venv.sh" dev,tensorboard
.venv/bin/python -m sphinx -W --keep-going -q -b html docs build/docs "$@"
echo "built build/docs/index.html"
