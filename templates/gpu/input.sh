#!/bin/sh
# Unpacks the archive that a job was submitted with, at a place of this try's own; start.sh makes it the job's
# directory. Arguments: ROOT ID STAGE PAX. The archive was put to ROOT/inputs/STAGE.tar.gz before, STAGE being
# ID-<word>; what earlier tries have left goes. With PAX=1 only a tar that reads pax will do; with PAX=drop the place
# is removed. If it cannot be, nothing is left of it: a sentence on standard error, and status 73.
CDPATH='' cd && CDPATH='' cd -- "$1/inputs" || exit 73
id=$2 stage=$3 pax=$4
case $id in '' | *[!0-9A-Z]*) exit 64 ;; esac
case $stage in "$id"-*/* | "$id"-) exit 64 ;; "$id"-*) ;; *) exit 64 ;; esac
if [ "$pax" = drop ]; then
  rm -rf "$stage" "$stage".*
  exit
fi
for other in "$id"-*; do
  [ "$other" = "$stage.tar.gz" ] || rm -rf "$other"
done

failed() {
  rm -rf "$stage" "$stage.tar.gz"
  echo "${1:-The archive could not be unpacked in $PWD.}" >&2
  exit 73
}
if [ "$pax" = 1 ]; then
  case $(tar --version 2>/dev/null) in
  *GNU* | *libarchive*) ;;
  *) failed "The tar of this server does not read the archive: it is written in the format pax." ;;
  esac
fi
# -o: files belong to whoever unpacks them, also where that is root.
if ! { mkdir "$stage" "$stage/work" && tar -xzf "$stage.tar.gz" -o -C "$stage/work" && rm "$stage.tar.gz"; }; then
  failed
fi
# What cannot be entered and changed could not be removed either.
find "$stage/work" -type d ! -perm -700 -exec chmod u+rwx {} \; || failed
