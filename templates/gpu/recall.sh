#!/bin/sh
# Which of some jobs were here, ended, and were removed. Arguments: ROOT ID... Prints `removed ID` for each of those.
CDPATH='' cd && CDPATH='' cd -- "$1" || exit 73
shift
for id do
  [ ! -e "removed/$id" ] || echo "removed $id"
done
