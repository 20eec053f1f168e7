#!/bin/sh
# Checks the iOS app as far as this machine can, and says what it skipped and why:
#
#   ios_demo/check.sh
#
# Everywhere with Swift 6: the core's tests, and swift-format's lint. On a Mac: the app is built with Xcode. Elsewhere:
# the app is type-checked against outlines of Apple's frameworks (Stubs/). On Debian without Swift, Debian 13's Swift is
# put into a private root first (debian_swift.sh); it takes root rights to run in there.
#
# MINIVLM_CACHE is the folder for that root and for what is built, ~/.cache/minivlm unless set.
# Exit codes: 0 nothing failed; 1 something did.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
project=$(dirname "$here")
cache=${MINIVLM_CACHE:-$HOME/.cache/minivlm}
root=$cache/swift
failures=0
mkdir -p "$cache/swift-build"

passed() { echo "passed: $1"; }
skipped() { echo "skipped: $1: $2"; }

# Runs a check quietly: check NAME COMMAND...; what it wrote is shown when it fails.
check() {
    what=$1
    shift
    if "$@" >"$cache/swift-build/check.log" 2>&1; then
        passed "$what$(sed -n 's/.*\(Executed [1-9][0-9]* tests\), .*/ (\1)/p' "$cache/swift-build/check.log" | tail -n 1)"
    else
        echo "FAILED: $what"
        told=$(grep -E 'error|warning|failed' "$cache/swift-build/check.log" | tail -n 60)
        echo "${told:-$(tail -n 20 "$cache/swift-build/check.log")}"
        failures=$((failures + 1))
    fi
}

# Runs a command of this machine's Swift.
own() { (cd "$project" && "$@"); }

# Runs a command of the private root's Swift. The mounts are this process's own and end with it.
boxed() {
    unshare --mount sh -euc '
        root=$1 project=$2 build=$3; shift 3
        mount -t proc proc "$root/proc"
        mount --rbind /dev "$root/dev"
        mount --bind "$project" "$root/src"
        mount --bind "$build" "$root/build"
        swift=/usr/libexec/swift
        exec env -i HOME=/build PATH=$swift/bin:/usr/bin \
            LD_LIBRARY_PATH=$swift/lib/swift/linux:$swift/lib/swift/host:$swift/lib/swift/host/compiler \
            /usr/bin/unshare --root="$root" --wd=/src "$@"
    ' sh "$root" "$project" "$cache/swift-build" "$@"
}

# Sets `run` (how to run Swift), `build` (its folder for what is built) or `reason` (why it cannot be run).
find_swift() {
    reason=
    if command -v swift >/dev/null; then
        run=own build=$cache/swift-build
        case $(swift --version 2>/dev/null) in
            *"Swift version "[6-9]*) ;;
            *) reason="the Swift here is older than 6: install a newer one" ;;
        esac
    elif [ "$(uname)" != Linux ]; then
        reason="no Swift here: install Xcode 16"
    elif [ "$(id -u)" != 0 ] || ! unshare --mount true 2>/dev/null; then
        reason="no Swift here, and running Debian's in a private root takes root rights"
    elif said=$("$here/debian_swift.sh" "$root"); then
        run=boxed build=/build
    else
        reason=$(echo "$said" | tail -n 1)
    fi
}

# Compiles one module into $build/modules: module NAME SOURCES...
module() {
    name=$1
    shift
    "$run" swiftc -emit-module -parse-as-library -swift-version 6 -module-name "$name" -I "$build/modules" \
        -o "$build/modules/$name.swiftmodule" "$@"
}

typecheck() {
    mkdir -p "$cache/swift-build/modules"
    for name in CoreGraphics ImageIO CryptoKit Darwin UIKit CoreML ExecuTorch SwiftUI PhotosUI Charts; do  # users come later
        module "$name" "ios_demo/Stubs/$name.swift" || return 1
    done
    # shellcheck disable=SC2046  # no name in there has a space; the core's module is what its tests were built with
    "$run" swiftc -typecheck -warnings-as-errors -parse-as-library -swift-version 6 -module-name MiniVLM \
        -I "$build/modules" -I "$build/core/debug/Modules" $(cd "$project" && find ios_demo/App -name '*.swift' | sort)
}

lint() {
    "$run" swift-format lint --strict --recursive --configuration ios_demo/.swift-format \
        ios_demo/MiniVLMCore ios_demo/MiniVLMCoreTests ios_demo/App ios_demo/Package.swift
}

build_app() {
    (cd "$here" && xcodegen generate && xcodebuild -project MiniVLM.xcodeproj -scheme MiniVLM -configuration Release \
        -destination generic/platform=iOS -derivedDataPath "$cache/xcode" CODE_SIGNING_ALLOWED=NO build)
}

find_swift
if [ -n "$reason" ]; then
    skipped "the iOS core's tests, lint and the app" "$reason"
    exit 0
fi
check "the iOS core's tests" "$run" swift test --package-path ios_demo --scratch-path "$build/core"
if "$run" swift-format --version >/dev/null 2>&1; then
    check "lint of the Swift sources" lint
else
    skipped "lint of the Swift sources" "no swift-format on the path"
fi
if [ "$(uname)" != Darwin ]; then
    check "types of the iOS app, against outlines of Apple's frameworks" typecheck
    skipped "the iOS app" "building it takes a Mac with Xcode 16"
elif command -v xcodegen >/dev/null && command -v xcodebuild >/dev/null; then
    check "the iOS app" build_app
else
    skipped "the iOS app" "building it takes Xcode 16 and XcodeGen (brew install xcodegen)"
fi
exit $((failures > 0))
