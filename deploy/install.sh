#!/bin/bash
# Installs the Debian packages that building Weir needs. Asks nothing; what is there is left alone.
#   deploy/install.sh
. "$(dirname "$0")/lib.sh"
case ${1:-} in
  "") ;;
  -h | --help) usage; exit 0 ;;
  *) refuse "$1" ;;
esac
install_packages "${build_packages[@]}"
say "all that the build needs is installed"
