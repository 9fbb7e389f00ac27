#!/usr/bin/env bash
# Sets everything up and runs the whole pipeline on a small synthetic reef: no download of weights, about a minute.
# Usage: bash tools/demo.sh [RUN]     RUN is where the run goes, default runs/demo
. "$(dirname "${BASH_SOURCE[0]}")/venv.sh"
.venv/bin/segpipe demo "${1:-runs/demo}"
echo "to go on: source .venv/bin/activate makes segpipe a command of this terminal"
