#!/bin/bash
# Apptainer in $TESTBED/apptainer (singularity is the same program), and an image registry on loopback with a
# tiny image in it. Idempotent.
#   docker://127.0.0.1:5055/app:latest      open; plain http, so SINGULARITY_NOHTTPS=1
#   docker://127.0.0.1:5056/app:latest      the same image for jarvice:secret only
#   deploy/testbed/apptainer-up.sh
. "$(dirname "$0")/../lib.sh"
open_port=${TESTBED_REGISTRY_PORT:-5055} closed_port=${TESTBED_REGISTRY_AUTH_PORT:-5056}
suite=${TESTBED_APPTAINER_SUITE:-sid}
case ${1:-} in
  "") ;;
  -h | --help) usage; exit 0 ;;
  *) refuse "$1" ;;
esac
require_root "the test cluster has several users"
install_packages patchelf squashfs-tools uidmap ca-certificates busybox-static bash-static docker-registry skopeo \
  umoci curl perl squashfuse fuse2fs fuse-overlayfs fuse3 e2fsprogs

prefix=$TESTBED/apptainer registry=$TESTBED/registry
install -d -m 755 "$TESTBED" "$TESTBED"/{run,log} "$registry/data"

# ---------------------------------------------------------------- Apptainer
# Debian 12 has no Apptainer. The package of a later suite is unpacked beside the libraries it was built for; the
# system's own package sources and libc stay as they are. Without setuid it is relocatable: its prefix is the
# parent of its bin/.
libraries=(libc6 libseccomp2 libsqlite3-0 libgcc-s1)

# fetch SUITE DIRECTORY PACKAGE...: from the mirror this machine uses
fetch() {
  local suite=$1 work=$2 mirror
  shift 2
  mirror=$(cat /etc/apt/sources.list.d/debian.sources /etc/apt/sources.list 2>/dev/null |
    sed -nE 's/^URIs: *([^ ]+).*/\1/p; s/^deb +(\[[^]]*\] +)?([^ ]+) .*/\2/p' | head -1)
  [ -n "$mirror" ] || die "no Debian mirror in /etc/apt to take Apptainer from"
  mkdir -p "$work"/{lists/partial,cache/archives/partial,state,sources.d,preferences.d,packages}
  : >"$work/state/status"
  cat >"$work/sources.d/suite.sources" <<SOURCES
Types: deb
URIs: $mirror
Suites: $suite
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg
SOURCES
  cat >"$work/apt.conf" <<CONF
Dir::Etc::SourceList "/dev/null"; Dir::Etc::SourceParts "$work/sources.d";
Dir::Etc::Preferences "/dev/null"; Dir::Etc::PreferencesParts "$work/preferences.d";
Dir::State "$work/state"; Dir::State::Lists "$work/lists"; Dir::State::status "$work/state/status";
Dir::Cache "$work/cache"; APT::Sandbox::User "root"; Acquire::Languages "none"; Acquire::Retries "3";
CONF
  (
    export APT_CONFIG=$work/apt.conf
    cd "$work/packages" || exit
    apt-get -qq update && apt-get -qq download "$@"
  )
}

install_apptainer() {
  local work=$TESTBED/apptainer.tmp system loader executable directory
  rm -rf "$work" "$prefix"
  mkdir -p "$work"
  fetch "$suite" "$work" apptainer "${libraries[@]}" || die "Apptainer could not be fetched from Debian $suite"
  dpkg -x "$work"/packages/apptainer_*.deb "$work/unpacked"
  cp -a "$work/unpacked/usr" "$prefix"
  mkdir -p "$prefix"/{etc,sysroot,var/lib/apptainer/mnt/session}
  cp -a "$work/unpacked/etc/apptainer" "$prefix/etc/"
  for library in "${libraries[@]}"; do dpkg -x "$work/packages/${library}"_*.deb "$prefix/sysroot"; done
  system=$(echo "$prefix"/sysroot/usr/lib/*-linux-gnu)
  loader=$(echo "$system"/ld-linux-*.so.*)
  for executable in "$prefix/bin/apptainer" "$prefix"/lib/*/apptainer/bin/starter; do
    patchelf --set-interpreter "$loader" --force-rpath --set-rpath "$system" "$executable"
  done
  ln -sfn apptainer "$prefix/bin/singularity"
  # starter, in lib/*/apptainer/bin, takes lib/ for the prefix: it is given the same view.
  for directory in etc var bin lib; do ln -sfn "../$directory" "$prefix/lib/$directory"; done
  rm -rf "$work"
}

"$prefix/bin/apptainer" --version >/dev/null 2>&1 || install_apptainer
for name in apptainer singularity; do
  if [ ! -e /usr/local/bin/$name ] || [ -L /usr/local/bin/$name ]; then
    ln -sfn "$prefix/bin/apptainer" /usr/local/bin/$name
  fi
done
[ ! -c /dev/fuse ] || chmod 666 /dev/fuse # as udev does on a normal machine
say "$("$prefix/bin/apptainer" --version)"

# ---------------------------------------------------------------- registries and their image
settings() {
  cat <<CONF
version: 0.1
log: {level: warn}
storage: {filesystem: {rootdirectory: $registry/data}, delete: {enabled: true}}
http: {addr: 127.0.0.1:$1, secret: testbed}
CONF
}
settings "$open_port" >"$registry/open.yml"
{
  settings "$closed_port"
  echo "auth: {htpasswd: {realm: testbed, path: $registry/htpasswd}}"
} >"$registry/auth.yml"
perl -e 'print "jarvice:", crypt("secret", "\$2y\$05\$abcdefghijklmnopqrstuu"), "\n"' >"$registry/htpasswd"

for kind in open auth; do
  if alive "$TESTBED/run/registry-$kind.pid"; then continue; fi
  setsid docker-registry serve "$registry/$kind.yml" </dev/null >>"$TESTBED/log/registry-$kind.log" 2>&1 &
  echo $! >"$TESTBED/run/registry-$kind.pid"
done
answers() { [ "$(curl -s -o /dev/null -w '%{http_code}' "http://127.0.0.1:$1/v2/")" = "$2" ]; }
for _ in {1..200}; do answers "$open_port" 200 && answers "$closed_port" 401 && break || sleep 0.05; done
answers "$open_port" 200 && answers "$closed_port" 401 || die "no answer from the registries (logs: $TESTBED/log)"

# busybox, a static bash, and nothing else.
make_image() {
  local root=$1/root applet
  rm -rf "$1"
  mkdir -p "$root"/{bin,etc,tmp,proc,sys,dev,root,home,usr/bin,var/tmp}
  cp /bin/busybox /bin/bash-static "$root/bin/"
  mv "$root/bin/bash-static" "$root/bin/bash"
  for applet in $("$root/bin/busybox" --list); do [ -e "$root/bin/$applet" ] || ln -s busybox "$root/bin/$applet"; done
  printf 'NAME=testbed-app\nID=testbed\nVERSION_ID=1\n' >"$root/etc/os-release"
  echo 'root:x:0:0:root:/root:/bin/sh' >"$root/etc/passwd"
  echo 'root:x:0:' >"$root/etc/group"
  umoci init --layout "$1/oci"
  umoci new --image "$1/oci:latest"
  umoci insert --rootless --image "$1/oci:latest" "$root" /
  umoci config --image "$1/oci:latest" --config.env PATH=/bin:/usr/bin --config.env TESTBED_APP=1 --config.cmd /bin/bash
}
for name in app testbed/initv2; do
  curl -fs "http://127.0.0.1:$open_port/v2/$name/tags/list" | grep -q '"latest"' && continue
  [ -s "$TESTBED/image/oci/index.json" ] || make_image "$TESTBED/image"
  skopeo --insecure-policy copy -q --dest-tls-verify=false "oci:$TESTBED/image/oci:latest" \
    "docker://127.0.0.1:$open_port/$name:latest"
done
say "registries up: 127.0.0.1:$open_port (open), 127.0.0.1:$closed_port (jarvice:secret)"
