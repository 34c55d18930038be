#!/bin/sh
# The application of the tests: it serves on 8080, takes its time to end, and says when it does what.
if [ "${1:-}" = migrate ]; then
  echo 'nothing to migrate'
  exit 0
fi
trap 'echo "told to end"; sleep 2; echo "ends"; exit 0' TERM
httpd -f -p 8080 -h /www &
echo 'serves'
wait
