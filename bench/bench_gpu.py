# Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Times the GPU targets against torch's kernels, in one process on one GPU.

Each task is one problem; its sides are seqc's targets and torch's backends, all
on the same tensors. A side is first checked against f32 or f64 on parts of the
problem. Then the sides are timed in random order, round after round, so that all
see the same clocks and temperatures.

What is timed is a CUDA graph: a few times, first a buffer larger than the caches
is overwritten and then the side is called. The time of the same graph without
the calls is subtracted. So neither the host's time nor that of the flush counts,
and the gap between two kernels does. The tables have medians over the rounds.

    python bench/bench_gpu.py                  all tasks; rewrites the page
    python bench/bench_gpu.py --quick          few tasks and rounds; only prints
    python bench/bench_gpu.py --flex           FlexAttention too (compiles slowly)
    python bench/bench_gpu.py --only 'd128.*causal' --sides 'sm_90a|cudnn'
    python bench/bench_gpu.py --schedule tile_m=128,tile_n=128,stages=2 \\
        --schedule tile_m=128,tile_n=64        one more side for each
    python bench/bench_gpu.py --tune           how far the model's schedules are
                                               from the best there are; with --only
    python bench/bench_gpu.py --ablation       what each pass is worth
    python bench/bench_gpu.py --from-json F    rewrites the page from a report
    python bench/bench_gpu.py --dry-run        tiny tasks on the CPU

A task's name is `d128-s4096-causal`; `--list` prints all.
"""

from __future__ import annotations

import argparse
import faulthandler
import gc
import json
import os
import re
import sys
import time
from dataclasses import asdict
from pathlib import Path

import torch

sys.path.append(str(Path(__file__).resolve().parent.parent))
from bench import bench_decode
from bench.bench_decode import Decode
from bench.gpu import ablation, tune
from bench.gpu.cases import Cell, Stream, cells, streams
from bench.gpu.compilation import compilations, compile_all, measure_compilation
from bench.gpu.devices import Device, Dry, Gpu, fatal, first_line
from bench.gpu.host import HOST_CELL, measure_host
from bench.gpu.report import (
    PAGE,
    ROOT,
    Report,
    machine,
    plain,
    rewrite_page,
    rewrite_part,
    tables,
    verdicts,
    write_json,
)
from bench.gpu.timing import measure


def parser() -> argparse.ArgumentParser:
    options = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    options.add_argument("--quick", action="store_true", help="few tasks and rounds")
    options.add_argument("--only", default="", help="regular expression of tasks")
    options.add_argument("--sides", default="", help="regular expression of sides")
    options.add_argument("--rounds", type=int, default=0, help="samples per side")
    options.add_argument(
        "--copies", type=int, default=10, help="calls per sample at most"
    )
    options.add_argument(
        "--schedule", action="append", default=[], help="one more seqc side"
    )
    options.add_argument(
        "--tune", action="store_true", help="time all schedules of attention"
    )
    options.add_argument(
        "--ablation", action="store_true", help="leave out one pass at a time"
    )
    options.add_argument("--flex", action="store_true", help="FlexAttention too")
    options.add_argument(
        "--keep-wrong", action="store_true", help="time sides with wrong results"
    )
    options.add_argument("--json", type=Path, help="where to write the report")
    options.add_argument("--from-json", type=Path, help="rewrite the page from this")
    options.add_argument("--page", type=Path, default=PAGE, help="the page")
    options.add_argument("--list", action="store_true", help="print the tasks' names")
    options.add_argument("--dry-run", action="store_true", help="tiny, on the CPU")
    options.add_argument(
        "--limit", type=int, default=570, help="seconds until it gives up"
    )
    return options


def chosen_tasks(args: argparse.Namespace) -> list[Cell | Stream | Decode]:
    tasks: list[Cell | Stream | Decode] = [
        *cells(args.dry_run),
        *bench_decode.decodes(args.dry_run),
        *streams(args.dry_run),
    ]
    if args.quick and not args.only and not args.dry_run:
        quick = re.compile(
            r"d(64|128|256)-s(1024|16384)-(causal|full)$|d128-s4096-|scan-8x2048|conv-8x2048"
            r"|decode-b(1|8)-kv(4096|32768)-q1$"
        )
        tasks = [task for task in tasks if quick.match(task.name)]
    return [task for task in tasks if re.search(args.only, task.name)]


def run(args: argparse.Namespace, device: Device, where: Path | None) -> Report:
    problems: list[str] = []
    tasks = chosen_tasks(args)
    report: Report = {
        "machine": machine(device),
        "before": device.state(),
        "results": [],
        "compile": [],
        "host": [],
        "problems": problems,
    }
    print(", ".join(f"{key}: {value}" for key, value in report["machine"].items()))
    print(f"before: {report['before']}", flush=True)
    whole = not (args.only or args.sides or args.schedule)
    # Each capture of a graph collects garbage; what is there now is none.
    gc.freeze()
    try:
        if whole:
            report["compile"] = measure_compilation(device, args.dry_run or args.quick)
        os.environ["SEQC_CACHE"] = "0"
        known = [task for task in tasks if not isinstance(task, Decode)]
        compile_all([*known, HOST_CELL], device, problems)
        if whole:
            report["host"] = measure_host(device, args.dry_run)
        for task in tasks:
            try:
                found = measure(task, device, args, problems)
            except Exception as failure:
                if fatal(failure):
                    raise
                problems.append(f"{task.name}: {first_line(failure)}")
                print(problems[-1], flush=True)
                continue
            report["results"] += [asdict(result) for result in found]
            write_json(report, where)
            times = "  ".join(
                f"{r.side} {r.ms:.3f} ms" + (f" {r.tflops:.0f}" if r.tflops else "")
                for r in found
            )
            state = found[0].state if found else {}
            at = f"  [{state['mhz']:.0f} MHz {state['watts']:.0f} W]" if state else ""
            print(f"{task.name}: {times}{at}", flush=True)
            gc.collect()
    except Exception as failure:
        if not fatal(failure):
            raise
        problems.append(f"the GPU's context is lost: {first_line(failure)}")
        print(problems[-1], flush=True)
    gc.unfreeze()
    report["after"] = device.state()
    print(f"after: {report['after']}", flush=True)
    return report


def study(args: argparse.Namespace, device: Device) -> int:
    """Compares the compiler with itself: schedules, or passes that are left out."""
    problems: list[str] = []
    report: Report = {"machine": machine(device), "problems": problems}
    os.environ["SEQC_CACHE"] = "0"
    with torch.no_grad():
        if args.tune:
            chosen = [task for task in chosen_tasks(args) if isinstance(task, Cell)]
            tasks = [task for task in chosen if tune.has_grid(task)]
            rows = report["tune"] = tune.tune_all(tasks, device, args, problems)
        else:
            rows = report["ablation"] = ablation.measure_all(device, args, problems)
    write_json(report, args.json)
    print(plain(tune.table(rows) if args.tune else ablation.table(rows)))
    for line in [*(tune.verdict(rows) if args.tune else []), *problems]:
        print(line)
    if problems or not rows:
        return 1
    if not args.only and not args.dry_run and args.page.exists():
        rewrite_part(report, args.page)
    return 0


def main(arguments: list[str] | None = None) -> int:
    args = parser().parse_args(arguments)
    if args.list:
        print("\n".join(task.name for task in chosen_tasks(args)))
        return 0
    if args.from_json:
        report = json.loads(args.from_json.read_text())
        (rewrite_page if "results" in report else rewrite_part)(report, args.page)
        print(f"rewrote the tables in {args.page}")
        return 0
    device: Device
    if args.dry_run:
        device = Dry()
    elif torch.cuda.is_available() and torch.cuda.get_device_capability() >= (8, 0):
        device = Gpu()
    else:
        print(
            "bench_gpu: needs a GPU of compute capability 8.0 or higher that torch can "
            "use",
            file=sys.stderr,
        )
        return 2
    if not args.dry_run:
        # A kernel that never ends must not take the rest of the day.
        faulthandler.dump_traceback_later(args.limit, exit=True)
    args.rounds = args.rounds or (2 if args.dry_run else 7 if args.quick else 15)
    start = time.monotonic()
    whole = not (args.quick or args.only or args.sides or args.schedule)
    default = ROOT / "build" / "bench_gpu.json"
    where = args.json or (default if whole and not args.dry_run else None)
    if args.tune or args.ablation:
        return study(args, device)
    with torch.no_grad(), compilations.listening():
        report = run(args, device, where)
    report["seconds"] = time.monotonic() - start
    if not args.dry_run:
        faulthandler.cancel_dump_traceback_later()
    write_json(report, where)
    for title, rows in tables(report):
        if len(rows) > 1:
            print(f"\n{title}\n{plain(rows)}")
    print()
    for line in [*verdicts(report), *report["problems"]]:
        print(line)
    print(f"{len(report['results'])} results in {report['seconds']:.0f} s")
    if where is not None:
        print(f"report: {where}")
    if report["problems"] or not report["results"]:
        print("bench_gpu: there were problems, so the page is left as it is")
        return 1
    if whole and not args.dry_run and args.page.exists():
        rewrite_page(report, args.page)
        print(f"rewrote the tables in {args.page}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
