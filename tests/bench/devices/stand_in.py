"""Stands in for adb or xcrun: answers each command as its script says, and writes down what it was asked.

    stand_in.py SCRIPT ARGUMENT...

The script is JSON: {"rules": [{"when": REGEX, "then": [ANSWER, ...]}, ...]}. The first rule that matches the joined
arguments answers, each time with its next answer, at last always with the last. An answer has "out", "err", "code";
"folder" sends the file there that the regex' first group names; "copy" is a folder whose file, named by the first
group, is copied to the path behind --destination; "sleep" are the seconds before the answer comes. Where there is a
--json-output, devicectl's envelope is written to that path: "json" is the result in it, "error" the error, "outcome"
its outcome; "mute" leaves the file out. "writes" are two folders: what the app would write, and where to. "{run}",
"{round}" and "{threads}" stand for what the last start of the app was told.
"""

import json
import re
import sys
import time
from pathlib import Path

MISSING = "cat: files/results/{}: No such file or directory"
NO_NODE = {
    "domain": "com.apple.dt.CoreDeviceError",
    "code": 7000,
    "userInfo": {"NSLocalizedDescription": {"string": "Failed to retrieve the file node for the item"}},
}


def main(script: Path, arguments: list[str]) -> int:
    state_path = script.with_suffix(".state")
    state = json.loads(state_path.read_text()) if state_path.exists() else {"used": {}, "told": {}}
    asked = " ".join(arguments)
    with script.with_suffix(".log").open("a") as log:
        log.write(asked + "\n")
    for name in ("run", "round", "threads"):
        found = re.search(rf"(?:--e[si] |--){name} (\S+)", asked)
        if found:
            state["told"][name] = found[1]
    for number, rule in enumerate(json.loads(script.read_text())["rules"]):
        match = re.search(rule["when"], asked)
        if match:
            used = state["used"].get(str(number), 0)
            state["used"][str(number)] = used + 1
            state_path.write_text(json.dumps(state))
            return answer(rule["then"][min(used, len(rule["then"]) - 1)], match, arguments, state["told"])
    state_path.write_text(json.dumps(state))
    print(f"stand-in: no rule for {asked}", file=sys.stderr)
    return 99


def answer(reply: dict, match: re.Match, arguments: list[str], told: dict[str, str]) -> int:
    def filled(text: str) -> str:
        for name, value in told.items():
            text = text.replace(f"{{{name}}}", value)
        return text

    time.sleep(reply.get("sleep", 0))
    if "folder" in reply or "copy" in reply:
        file = Path(reply.get("folder") or reply["copy"], match[1])
        if not file.is_file():
            envelope({"error": NO_NODE}, arguments)
            print(MISSING.format(match[1]), file=sys.stderr)
            return 1
        content = file.read_bytes()
        if file.suffix in (".json", ".jsonl"):
            content = filled(content.decode()).encode()
        if "copy" in reply:
            Path(arguments[arguments.index("--destination") + 1]).write_bytes(content)
        else:
            sys.stdout.buffer.write(content)
    if "writes" in reply:
        source, target = map(Path, reply["writes"])
        for file in source.rglob("*.*"):
            place = target / file.relative_to(source)
            place.parent.mkdir(parents=True, exist_ok=True)
            content = file.read_bytes()
            place.write_bytes(filled(content.decode()).encode() if file.suffix in (".json", ".jsonl") else content)
    envelope(reply, arguments)
    sys.stdout.write(filled(reply.get("out", "")))
    sys.stderr.write(reply.get("err", ""))
    return int(reply.get("code", "error" in reply))


def envelope(reply: dict, arguments: list[str]) -> None:
    """Write what devicectl writes as JSON, whatever the command."""
    if "--json-output" not in arguments or reply.get("mute"):
        return
    failed = "error" in reply
    content = {"info": {"jsonVersion": 2, "outcome": reply.get("outcome", "failed" if failed else "success")}}
    content |= {"error": reply["error"]} if failed else {"result": reply.get("json", {})}
    Path(arguments[arguments.index("--json-output") + 1]).write_text(json.dumps(content))


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2:]))
