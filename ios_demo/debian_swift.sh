#!/bin/sh
# Puts Debian 13's Swift into a private root, which leaves the machine's own packages alone:
#
#   debian_swift.sh ROOT
#
# The packages come from the mirror that this machine's apt is set up with. 0.6 GB are downloaded, 2.6 GB stay.
# Exit codes: 0 Swift is in ROOT; 3 it cannot be had here, for the reason printed last.
set -eu

release=trixie
keyring=/usr/share/keyrings/debian-archive-keyring.gpg
root=$1

skip() {
    echo "$1"
    exit 3
}

[ -e "$root/complete" ] && exit 0
command -v apt-get >/dev/null && command -v dpkg >/dev/null || skip "no Swift here, and no apt to get it with"
[ -e "$keyring" ] || skip "no $keyring: install debian-archive-keyring"
mirror=$(apt-get indextargets --format '$(ORIGIN) $(REPO_URI)' "Created-By: Packages" | sed -n 's/^Debian //p' | head -n 1)
[ -n "$mirror" ] || skip "apt here has no Debian mirror (try: apt-get update)"
free=$(df -Pk "$(dirname "$root")" | awk 'NR == 2 { print int($4 / 1048576) }')
[ "$free" -ge 5 ] || skip "$(dirname "$root") has $free GiB left, and Swift takes 4 while it is unpacked"

work=$root.partial
rm -rf "$work"
mkdir -p "$work/apt/lists/partial" "$work/apt/archives/partial" "$work/root"
: >"$work/apt/status"
echo "deb [signed-by=$keyring] $mirror $release main" >"$work/apt/sources.list"

private_apt() {
    apt-get --quiet=2 \
        -o Dir::Etc::SourceList="$work/apt/sources.list" -o Dir::Etc::SourceParts=/dev/null \
        -o Dir::State="$work/apt" -o Dir::State::Lists="$work/apt/lists" -o Dir::State::Status="$work/apt/status" \
        -o Dir::Cache="$work/apt" -o Dir::Cache::Archives="$work/apt/archives" -o APT::Sandbox::User=root \
        -o Debug::NoLocking=true "$@"
}

echo "downloading Swift from $mirror, $release ..."
private_apt update || skip "the mirror $mirror does not answer for $release"
private_apt install --download-only --yes --no-install-recommends swiftlang libc6-dev libstdc++-14-dev >/dev/null \
    || skip "the mirror $mirror does not give swiftlang for $(dpkg --print-architecture)"
for package in "$work"/apt/archives/*.deb; do
    dpkg -x "$package" "$work/root"
done
# What base-files would bring: one /usr for all, and places to mount the system and the sources at.
for folder in bin lib lib64 sbin; do
    ln -s "usr/$folder" "$work/root/$folder"
done
mkdir "$work/root/proc" "$work/root/dev" "$work/root/tmp" "$work/root/src" "$work/root/build"
touch "$work/root/complete"
rm -rf "$root"
mv "$work/root" "$root"
rm -rf "$work"
