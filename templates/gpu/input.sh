#!/bin/sh
# Unpacks the archive that a job was submitted with, at a place of this try's own; start.sh makes it the job's
# directory. Arguments: ROOT ID STAGE [drop]. The archive was put to ROOT/inputs/STAGE.tar.gz before, STAGE being
# ID-<word>; what earlier tries have left goes. With `drop` the place is removed. If the archive cannot be unpacked,
# nothing is left of it: a sentence on standard error, and status 65 if it is the archive's fault, 73 if it is the
# server's.
CDPATH='' cd && CDPATH='' cd -- "$1/inputs" || exit 73
id=$2 stage=$3
case $id in '' | *[!0-9A-Z]*) exit 64 ;; esac
case $stage in "$id"-*/* | "$id"-) exit 64 ;; "$id"-*) ;; *) exit 64 ;; esac
if [ "${4:-}" = drop ]; then
  rm -rf "$stage" "$stage".*
  exit
fi
for other in "$id"-*; do
  [ "$other" = "$stage.tar.gz" ] || rm -rf "$other"
done

# $1 status, $2 sentence
fail() {
  rm -rf "$stage" "$stage".*
  printf '%s\n' "$2" >&2
  exit "$1"
}

# Whether this server packs and unpacks another archive, beside what there is of the one that it could not: a full
# disk is still full.
is_fit() {
  mkdir "$stage.fit" && (
    cd "$stage.fit" && head -c 1000000 /dev/zero >a && tar -czf b a && rm a && tar -xzf b && [ -s a ]
  )
} >/dev/null 2>&1

mkdir "$stage" "$stage/work" || fail 73 "Nothing can be made in $PWD."
# -o: files belong to whoever unpacks them, also where that is root.
LC_ALL=C tar -xzf "$stage.tar.gz" -o -C "$stage/work" 2>"$stage.words"
status=$?
if [ "$status" != 0 ]; then
  why=$(head -n 1 "$stage.words" | head -c 300)
  # What a signal has ended says nothing of the archive.
  if [ "$status" -lt 128 ] && is_fit; then fail 65 "The archive cannot be unpacked: ${why:-status $status}"; fi
  fail 73 "The archive could not be unpacked in $PWD: ${why:-status $status}"
fi
# What cannot be entered and changed could not be removed either.
if ! rm "$stage".* || ! find "$stage/work" -type d ! -perm -700 -exec chmod u+rwx {} \;; then
  fail 73 "The archive could not be put in order in $PWD."
fi
