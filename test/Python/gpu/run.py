# Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Runs the GPU tests, and compute-sanitizer over a few calls of every kind.

    python test/Python/gpu/run.py check [--json FILE] [pytest's options]
    python test/Python/gpu/run.py sanitize [--json FILE] [--tool NAME] [--only RE]

Only the standard library is imported here. The exit code is 0 if all is well, 1
for failures and findings, and 2 where there is nothing to run on.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent.parent

Table = list[list[str]]


def say(text: str = "") -> None:
    print(text, flush=True)


def show(rows: Table) -> None:
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    for row in rows:
        cells = zip(row, widths, strict=True)
        say("  ".join(text.ljust(width) for text, width in cells).rstrip())


def about_gpu() -> dict[str, str]:
    """What torch and the driver say about the GPU; "problem" if there is none."""
    script = (
        "import json, torch\n"
        "ok = torch.cuda.is_available()\n"
        "p = torch.cuda.get_device_properties(0) if ok else None\n"
        "print(json.dumps({'torch': str(torch.__version__),\n"
        "    **({'gpu': p.name, 'capability': f'{p.major}.{p.minor}'} if ok else\n"
        "       {'problem': 'torch sees no GPU'})}))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["?"])[-1]
        return {"problem": f"{sys.executable} cannot use torch: {last}"}
    found: dict[str, str] = json.loads(done.stdout.splitlines()[-1])
    if "problem" not in found and float(found["capability"]) < 8.0:
        found["problem"] = f"{found['gpu']}: needs compute capability 8.0 or higher"
    return {**found, **gpu_state()}


def gpu_state() -> dict[str, str]:
    """The driver, and clocks, power and temperature now."""
    names = ("driver_version", "clocks.sm", "power.draw", "temperature.gpu")
    command = ["nvidia-smi", f"--query-gpu={','.join(names)}", "--format=csv,noheader"]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, check=True, timeout=30
        )
        values = done.stdout.splitlines()[0].split(",")
        return dict(zip(names, map(str.strip, values), strict=True))
    except (OSError, subprocess.SubprocessError, IndexError, ValueError):
        return {}


def write_json(path: Path | None, report: dict[str, Any]) -> None:
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(report, indent=1) + "\n")
        say(f"report: {path}")


# -----------------------------------------------------------------------------
# Tests
# -----------------------------------------------------------------------------


def outcome(case: ElementTree.Element) -> tuple[str, str]:
    """Of a test in pytest's report: what became of it, and why."""
    for tag, name in (
        ("failure", "failed"),
        ("error", "failed"),
        ("skipped", "skipped"),
    ):
        found = case.find(tag)
        if found is not None:
            return name, found.get("message", "")
    return "passed", ""


def read_report(path: Path) -> list[dict[str, Any]]:
    tests = []
    for case in ElementTree.parse(path).getroot().iter("testcase"):
        what, why = outcome(case)
        tests.append(
            {
                "file": (case.get("classname") or "?").split(".")[-1],
                "name": case.get("name", "?"),
                "result": what,
                "why": why,
                "seconds": float(case.get("time", 0)),
            }
        )
    return tests


def check(args: argparse.Namespace, rest: list[str]) -> int:
    gpu = about_gpu()
    say(", ".join(f"{key}: {value}" for key, value in gpu.items()))
    if "problem" in gpu:
        say(f"check: nothing was tested: {gpu['problem']}")
        return 2
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    if importlib.util.find_spec("xdist"):
        command += ["-n", str(args.jobs), "--dist", "worksteal"]
    else:
        say("pytest-xdist is not here: one test after the other")
    start = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        command += [f"--junitxml={report}", f"--rootdir={ROOT}", *rest]
        done = subprocess.run([*command, str(HERE)], cwd=ROOT, check=False)
        tests = read_report(report) if report.exists() else []
    seconds = time.monotonic() - start
    kinds = ("passed", "failed", "skipped")
    rows = [["file", *kinds, "seconds of all workers"]]
    for file in [*dict.fromkeys(test["file"] for test in tests), "all"]:
        mine = [test for test in tests if file in ("all", test["file"])]
        counts = [str(sum(t["result"] == kind for t in mine)) for kind in kinds]
        rows.append([file, *counts, f"{sum(t['seconds'] for t in mine):.1f}"])
    say()
    show(rows)
    reasons: dict[str, int] = {}
    for test in tests:
        if test["result"] == "skipped":
            reasons[test["why"]] = reasons.get(test["why"], 0) + 1
    for reason, count in reasons.items():
        say(f"skipped {count}: {reason[:160]}")
    failed = [test for test in tests if test["result"] == "failed"]
    for test in failed[:50]:
        line = (test["why"].splitlines() or [""])[0]
        say(f"failed: {test['file']}::{test['name']}: {line[:160]}")
    passed = sum(test["result"] == "passed" for test in tests)
    well = done.returncode == 0 and passed > 0
    say(
        f"check: {'ok' if well else 'FAILED'}: {passed} passed, {len(failed)} failed "
        f"in {seconds:.0f} s; pytest's exit code {done.returncode}"
    )
    write_json(
        args.json,
        {
            "gpu": gpu,
            "after": gpu_state(),
            "ok": well,
            "exit_code": done.returncode,
            "seconds": seconds,
            "tests": tests,
        },
    )
    return 0 if well else 1


# -----------------------------------------------------------------------------
# compute-sanitizer
# -----------------------------------------------------------------------------

TOOLS = ("memcheck", "racecheck", "synccheck")
SUMMARY = re.compile(
    r"=+ (?:ERROR SUMMARY: (\d+) errors?"
    r"|RACECHECK SUMMARY: (\d+) hazards? displayed)"
)
PREFIX = "========= "


def findings(log: str) -> tuple[int | None, list[dict[str, str]]]:
    """How many findings a log sums up, None without a sum, and each with the case
    after which it was told."""
    total: int | None = None
    found: list[dict[str, str]] = []
    case, inside = "before any case", False
    for line in log.splitlines():
        if line.startswith("case: "):
            case, inside = line[len("case: ") :], False
        elif match := SUMMARY.match(line):
            total = (total or 0) + int(match[1] or match[2])
            inside = False
        elif not line.startswith(PREFIX) or not line[len(PREFIX) :].strip():
            inside = False
        elif not line.startswith(PREFIX + "COMPUTE-SANITIZER"):
            text = line[len(PREFIX) :]
            # What follows a first line is indented.
            if inside and text.startswith(" "):
                found[-1]["text"] += "\n" + text
            else:
                found.append({"case": case, "text": text})
                inside = True
    return total, found


def sanitize_one(
    tool: str | None, args: argparse.Namespace, env: dict[str, str], logs: Path
) -> dict[str, Any]:
    """Runs the cases under a tool, or plainly."""
    command = [sys.executable, "-u", str(HERE / "sanitize.py"), "--only", args.only]
    if tool:
        command = [
            args.sanitizer,
            *("--tool", tool),
            *("--error-exitcode", "99"),
            *("--print-limit", "1000"),
            # Errors of calls are those of torch looking around, or seqc's own,
            # which it reports.
            *(("--report-api-errors", "no") if tool == "memcheck" else ()),
            *(("--racecheck-report", "all") if tool == "racecheck" else ()),
            *command,
        ]
    name = tool or "no tool"
    log = logs / f"{name.replace(' ', '-')}.log"
    start = time.monotonic()
    with log.open("w") as out:
        child = subprocess.Popen(
            command,
            stdout=out,
            stderr=subprocess.STDOUT,
            env=env,
            cwd=ROOT,
            start_new_session=True,
        )
        try:
            code: int | None = child.wait(args.timeout)
        except subprocess.TimeoutExpired:
            os.killpg(child.pid, 9)
            child.wait()
            code = None
    text = log.read_text(errors="replace")
    total, found = findings(text)
    ends = re.findall(r"^(\d+) cases, (\d+) wrong$", text, re.M)
    started = text.count("\ncase: ") + text.startswith("case: ")
    verdict = "ok"
    if code is None:
        verdict = f"not done in {args.timeout} s"
    elif not ends:
        verdict = f"ended early, exit code {code}"
    elif tool and total is None:
        verdict = "no summary"
    elif total or found:
        verdict = "findings"
    elif ends[0][1] != "0":
        verdict = "wrong results"
    elif code:
        verdict = f"exit code {code}"
    return {
        "tool": name,
        "result": verdict,
        "cases": started,
        "wrong": int(ends[0][1]) if ends else None,
        "total": total,
        "findings": found[:200],
        "seconds": time.monotonic() - start,
        "log": str(log),
    }


def sanitize(args: argparse.Namespace) -> int:
    gpu = about_gpu()
    say(", ".join(f"{key}: {value}" for key, value in gpu.items()))
    if "problem" in gpu:
        say(f"sanitize: nothing was run: {gpu['problem']}")
        return 2
    places = [os.environ.get("PATH", ""), "/usr/local/cuda/bin"]
    args.sanitizer = shutil.which("compute-sanitizer", path=os.pathsep.join(places))
    if not args.sanitizer:
        say("sanitize: nothing was run: compute-sanitizer is not on PATH")
        return 2
    logs = args.logs.resolve()
    logs.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as cache:
        env = {
            **os.environ,
            # The compiler does its work in the first run, outside the tools.
            "SEQC_CACHE": "1",
            "SEQC_CACHE_DIR": cache,
            # Each tensor its own allocation, so that its end is seen.
            "PYTORCH_NO_CUDA_MEMORY_CACHING": "1",
        }
        rows = [sanitize_one(None, args, env, logs)]
        say(f"no tool: {rows[0]['result']} in {rows[0]['seconds']:.0f} s")
        tools = args.tool or TOOLS
        with ThreadPoolExecutor(len(tools)) as pool:
            rows += pool.map(lambda tool: sanitize_one(tool, args, env, logs), tools)
    say()
    for row in rows:
        for case in dict.fromkeys(found["case"] for found in row["findings"]):
            mine = [f["text"] for f in row["findings"] if f["case"] == case]
            say(f"{row['tool']}: {case}: {len(mine)} findings, of which the first:")
            say("\n".join("    " + line for line in mine[0].splitlines()[:6]))
        if row["result"] not in ("ok", "findings"):
            tail = Path(row["log"]).read_text(errors="replace").splitlines()
            bad = [x for x in tail if x.startswith(("  wrong", "  failed"))]
            for line in bad[:10] or tail[-10:]:
                say(f"{row['tool']} | {line[:200]}")
    table = [["tool", "result", "cases", "wrong", "findings", "seconds"]]
    for row in rows:
        table.append(
            [
                row["tool"],
                row["result"],
                str(row["cases"]),
                "?" if row["wrong"] is None else str(row["wrong"]),
                "" if row["total"] is None else str(row["total"]),
                f"{row['seconds']:.0f}",
            ]
        )
    show(table)
    well = all(row["result"] == "ok" for row in rows)
    say(f"sanitize: {'ok' if well else 'FAILED'}; logs in {logs}")
    write_json(args.json, {"gpu": gpu, "ok": well, "tools": rows})
    return 0 if well else 1


def main(arguments: list[str] | None = None) -> int:
    top = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = top.add_subparsers(dest="command", required=True)
    sub = commands.add_parser("check", help="the GPU tests")
    sub.add_argument("--json", type=Path, help="where to write the report")
    cores = len(os.sched_getaffinity(0))
    sub.add_argument("--jobs", type=int, default=min(8, cores), help="workers")
    sub = commands.add_parser("sanitize", help="a few calls under compute-sanitizer")
    sub.add_argument("--json", type=Path, help="where to write the report")
    sub.add_argument("--tool", action="append", help="only this; may be repeated")
    sub.add_argument("--only", default="", help="regular expression of cases")
    sub.add_argument("--timeout", type=int, default=170, help="seconds per tool")
    sub.add_argument("--logs", type=Path, default=ROOT / "build" / "sanitize")
    args, rest = top.parse_known_args(arguments)
    if args.json is not None:
        args.json = args.json.resolve()
    if args.command == "check":
        return check(args, rest)
    if rest:
        top.error(f"unrecognized arguments: {' '.join(rest)}")
    return sanitize(args)


if __name__ == "__main__":
    sys.exit(main())
