"""What adb and Android's programs say, in the shapes that public logs and Android's sources show."""

SERIAL = "R58N12ABCDE"
PACKAGE = "org.minivlm.demo"
PID = 4711
STARTED = "2026-11-26 10:00:00.000"
"""By the phone's clock."""


def devices(**states: str) -> str:
    """`adb devices` by serial and state; the first call of a day starts the daemon."""
    rows = "".join(f"{serial}\t{state}\n" for serial, state in states.items())
    return (
        "* daemon not running; starting now at tcp:5037\n* daemon started successfully\n"
        f"List of devices attached\n{rows}\n"
    )


NO_PERMISSIONS = (
    "no permissions (missing udev rules? user is in the plugdev group); "
    "see [http://developer.android.com/tools/device.html]"
)

STARTED_ACTIVITY = """Starting: Intent { cmp=org.minivlm.demo/.BenchmarkActivity (has extras) }
Status: ok
LaunchState: COLD
Activity: org.minivlm.demo/.BenchmarkActivity
TotalTime: 412
WaitTime: 418
Complete
"""
NO_ACTIVITY = """Starting: Intent { cmp=org.minivlm.demo/.BenchmarkActivity (has extras) }
Error type 3
Error: Activity class {org.minivlm.demo/org.minivlm.demo.BenchmarkActivity} does not exist.
"""
NOT_DRAWN = STARTED_ACTIVITY.replace("Status: ok", "Status: timeout")
"""What `am start -W` says when the screen never showed, as on a phone that was locked meanwhile."""

GETPROP = """[ro.build.version.release]: [14]
[ro.build.version.sdk]: [34]
[ro.product.manufacturer]: [Example]
[ro.product.model]: [Phone 5]
[ro.serialno]: [R58N12ABCDE]
"""

UNLOCKED = "    mDreamingLockscreen=false\n    isKeyguardShowing=false\n"
LOCKED = "    mDreamingLockscreen=true\n    isKeyguardShowing=true\n"

NO_EXIT_INFO = "Unknown command: exit-info\n"
"""Android 10 and earlier."""


def exit_info(*entries: str) -> str:
    """`dumpsys activity exit-info PACKAGE`, newest first."""
    blocks = "".join(f"        ApplicationExitInfo #{number}:\n{text}" for number, text in enumerate(entries))
    return (
        "ACTIVITY MANAGER PROCESS EXIT INFO (dumpsys activity exit-info)\n"
        "Last Timestamp of Persistence Into Persistent Storage: 2026-11-26 09:50:12.345\n"
        f"  package: {PACKAGE}\n    Historical Process Exit for uid=10231\n{blocks}"
    )


def entry(
    reason: str, status: int = 0, description: str = "null", *, pid: int = PID, time: str = "2026-11-26 10:00:07.123"
) -> str:
    """One entry; `reason` is such as "3 (LOW_MEMORY)"."""
    return (
        f"          timestamp={time} pid={pid} realUid=10231 packageUid=10231 definingUid=10231 user=0\n"
        f"          process={PACKAGE} reason={reason} subreason=0 (UNKNOWN) status={status}\n"
        f"          importance=100 pss=0.00 rss=1.3GB description={description} state=empty trace=null\n"
    )


STOPPED_BEFORE = entry(
    "10 (USER REQUESTED)", description=f"stop {PACKAGE} due to from pid 4600", pid=4500, time="2026-11-26 09:59:59.871"
)
"""What `am force-stop` leaves of the start before."""

NATIVE_CRASH = f"""--------- beginning of crash
11-26 10:00:06.881  {PID}  4739 F libc    : Fatal signal 4 (SIGILL), code 1 (ILL_ILLOPC), \
fault addr 0x72 in tid 4739 (benchmark), pid {PID} (rg.minivlm.demo)
11-26 10:00:07.015  4801  4801 F DEBUG   : *** *** *** *** *** *** *** *** *** *** *** *** *** *** *** ***
11-26 10:00:07.015  4801  4801 F DEBUG   : ABI: 'arm64'
11-26 10:00:07.016  4801  4801 F DEBUG   : pid: {PID}, tid: 4739, name: benchmark  >>> {PACKAGE} <<<
11-26 10:00:07.016  4801  4801 F DEBUG   : signal 4 (SIGILL), code 1 (ILL_ILLOPC), fault addr 0x0000007208223674
11-26 10:00:07.020  4801  4801 F DEBUG   :       #00 pc 01a2b674  /data/app/base.apk (libexecutorch.so)
"""
OTHER_CRASH = """--------- beginning of crash
11-26 10:00:03.100  3300  3300 E AndroidRuntime: FATAL EXCEPTION: main
11-26 10:00:03.100  3300  3300 E AndroidRuntime: Process: com.example.other, PID: 3300
11-26 10:00:03.100  3300  3300 E AndroidRuntime: java.lang.NullPointerException: not ours
"""
KOTLIN_CRASH = f"""11-26 10:00:06.881  {PID}  4739 E AndroidRuntime: FATAL EXCEPTION: benchmark
11-26 10:00:06.881  {PID}  4739 E AndroidRuntime: Process: {PACKAGE}, PID: {PID}
11-26 10:00:06.881  {PID}  4739 E AndroidRuntime: java.lang.UnsatisfiedLinkError: dlopen failed: \
library "libexecutorch.so" not found
11-26 10:00:06.881  {PID}  4739 E AndroidRuntime: \tat java.lang.Runtime.loadLibrary0(Runtime.java:1082)
"""
WORDS = """--------- beginning of main
I/MINIVLM : {"format":1,"state":"running","step":"loading"}
I/ExecuTorch: loading the program
"""
