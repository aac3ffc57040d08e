#!/bin/sh
# The script of a job whose own one came in its archive, and is run where it was unpacked: by its first line, else by
# bash, as every script of a job is. Whether it may be executed does not matter.
IFS= read -r weir_line <"./$WEIR_ENTRYPOINT"
case $weir_line in
'#!'* | ?ELF*)
  unset weir_line
  chmod u+rx "./$WEIR_ENTRYPOINT" && exec "./$WEIR_ENTRYPOINT"
  exit 126
  ;;
esac
unset weir_line
if command -v bash >/dev/null; then exec bash "./$WEIR_ENTRYPOINT"; fi
exec sh "./$WEIR_ENTRYPOINT"
