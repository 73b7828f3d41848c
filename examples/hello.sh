#!/bin/sh
# The smallest script task:  slipway submit examples/hello.sh
set -eu
echo "Hello from task ${SLIPWAY_TASK_ID:-?} of queue ${SLIPWAY_QUEUE:-?}."
for step in 1 2 3; do
    echo "step $step of 3"
    sleep 1
done
echo "Done."
