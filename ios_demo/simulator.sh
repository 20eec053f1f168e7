#!/bin/sh
# Builds the app for Apple's simulator, starts a simulator of its own and installs the app there, on a Mac with Xcode 16
# and XcodeGen:
#
#   ios_demo/simulator.sh [FOLDER]
#
# FOLDER takes what is built, ios_demo/build unless given. Then: python bench/run.py --device ios-simulator
set -eu

here=$(cd "$(dirname "$0")" && pwd)
build=${1:-$here/build}

stop() {
    echo "error: $1" >&2
    exit 2
}

for tool in xcodegen xcodebuild xcrun; do
    command -v "$tool" >/dev/null || stop "$tool is not here: take a Mac with Xcode 16, and brew install xcodegen"
done
mkdir -p "$build"
build=$(cd "$build" && pwd)

(cd "$here" && xcodegen generate)
(cd "$here" && xcodebuild -project MiniVLM.xcodeproj -scheme MiniVLM -configuration Release \
    -destination 'generic/platform=iOS Simulator' -derivedDataPath "$build" ARCHS="$(uname -m)" \
    CODE_SIGNING_ALLOWED=NO build)

udid=$(xcrun simctl list devices | sed -n 's/^ *MiniVLM (\([0-9A-F-]*\)) (.*/\1/p' | head -n 1)
if [ -z "$udid" ]; then
    # The numbered iPhone that is newest, in the newest iOS that there is for it.
    kind=$(xcrun simctl list devicetypes | sed -n 's/.*(\(.*\.iPhone-[0-9]*\)) *$/\1/p' | sort -V | tail -n 1)
    [ -n "$kind" ] || stop "Xcode has no iPhone simulator: add the iOS platform in its settings"
    udid=$(xcrun simctl create MiniVLM "$kind")
fi
xcrun simctl bootstatus "$udid" -b
xcrun simctl install "$udid" "$build/Build/Products/Release-iphonesimulator/MiniVLM.app"
echo "MiniVLM is in the simulator $udid"
