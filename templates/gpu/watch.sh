#!/bin/sh
# Tells of the ends of jobs as they happen: prints `ready`, then `ID ATTEMPT` for each that has written its `exit`,
# until standard input ends. Arguments: ROOT MACHINE. What ends between two watches is found by sweep.sh.
umask 077
CDPATH='' cd && CDPATH='' cd -- "$1" && CDPATH='' cd -- "machines/$2" || exit 73
# A new FIFO, for whoever reads the old one, on a connection that is dead perhaps, would take half of the lines.
rm -f "ends.$$" && mkfifo "ends.$$" && mv -f "ends.$$" ends || exit 73
# Open for both, so that it does not end with the first who writes.
cat 0<>ends &
copier=$!
trap 'kill "$copier" 2>/dev/null' EXIT
trap 'exit 1' HUP INT TERM
echo ready
cat >/dev/null
