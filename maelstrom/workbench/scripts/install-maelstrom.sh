#!/bin/sh
# Fetches the pinned release of the original Maelstrom into the given folder,
# and checks that what came is what was released.
set -eu

folder=${1:?usage: install-maelstrom.sh FOLDER}
version=0.2.4
sha256=301ec71d6b12af0d765edb413f5cf5aa1046b5609bd4e31376a0b549548e5799
url=https://github.com/jepsen-io/maelstrom/releases/download/v$version/maelstrom.tar.bz2

fail() {
    printf 'install-maelstrom: %s\n' "$1" >&2
    exit 1
}

if [ -x "$folder/maelstrom/maelstrom" ] && [ "$(cat "$folder/version" 2>/dev/null)" = $version ]; then
    printf 'Maelstrom %s is installed in %s/maelstrom\n' $version "$folder"
    exit 0
fi

command -v java >/dev/null 2>&1 ||
    fail 'there is no java here. Maelstrom needs a JDK, 17 or newer; then run this again.
    (It also draws with gnuplot and graphviz, and does without them.)'
command -v curl >/dev/null 2>&1 || fail 'there is no curl here, which fetches the release.'
command -v bzip2 >/dev/null 2>&1 || fail 'there is no bzip2 here, which unpacks the release.'
if command -v sha256sum >/dev/null 2>&1; then
    checksum() { sha256sum "$1" | cut -d ' ' -f 1; }
else
    checksum() { shasum -a 256 "$1" | cut -d ' ' -f 1; }
fi

mkdir -p "$folder"
archive=$folder/maelstrom.tar.bz2
trap 'rm -f "$archive"' EXIT
curl --fail --location --silent --show-error --retry 2 --connect-timeout 20 --output "$archive" "$url" ||
    fail "cannot fetch $url: is there a network? (The workbench needs neither it nor Java.)"
found=$(checksum "$archive")
[ "$found" = $sha256 ] || fail "$url is not what was released:
    expected sha256 $sha256
    found           $found"
tar -xjf "$archive" -C "$folder" || fail "cannot unpack $archive"
printf '%s\n' $version >"$folder/version"
printf 'Maelstrom %s is installed in %s/maelstrom\n' $version "$folder"
