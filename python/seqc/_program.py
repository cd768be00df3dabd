# Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Programs: compiling, loading, calling, and the cache behind the eager calls."""

from __future__ import annotations

import json
import operator
import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from . import _arrays, _seqc
from ._errors import SeqcError, SeqcFileError

if TYPE_CHECKING:
    from ._module import Module

    Source: TypeAlias = str | bytes | os.PathLike[str] | Module


class Parameter(NamedTuple):
    """An argument or a result of a function.

    `kind` is "tensor" or "scalar"; None in `shape` is a size that a call sets.
    """

    name: str | None
    kind: str
    dtype: str
    shape: tuple[int | None, ...]

    def __str__(self) -> str:
        sizes = ["?" if size is None else str(size) for size in self.shape]
        return f"{'x'.join([*sizes, self.dtype])}"


def _parameters(items: list[dict[str, Any]]) -> tuple[Parameter, ...]:
    return tuple(
        Parameter(x.get("name"), x["kind"], x["dtype"], tuple(x.get("shape", ())))
        for x in items
    )


def _scalar(label: str, dtype: str, value: Any) -> int | float:
    """A scalar argument; whether it fits a narrower `dtype` the runtime checks."""
    is_float = dtype in _arrays.FLOATS
    try:
        if isinstance(value, (str, bytes)):
            raise TypeError
        number = float(value) if is_float else operator.index(value)
    except (TypeError, ValueError):
        expected = "a number" if is_float else "an integer"
        raise TypeError(
            f"{label}: expected {expected} for {dtype}, got {type(value).__name__}"
        ) from None
    if isinstance(number, int) and not -(2**63) <= number < 2**63:
        raise ValueError(f"{label}: value {number} does not fit in {dtype}")
    return number


class Function:
    """A function of a program: call it with arrays and numbers.

    A tensor argument is a numpy array, a torch tensor or anything with
    `__dlpack__`, with any strides, and has exactly the dtype, the rank and the
    static sizes of its parameter. A scalar is a Python number. Arguments are given
    by position, or by name where the parameter has one.

    All tensors are in host memory for the target "cpu", and on one GPU for the
    others. There the call puts its work into the stream of the first array's
    library (torch's or cupy's current one, else the default stream) and returns;
    code compiled with `aligned=True` refuses arrays whose rows do not start at
    multiples of 16 bytes.

    Dynamic sizes are checked too. Before any code runs, the runtime compares the
    sizes that the function's operators need to be equal, such as the lengths of
    key and value, or one a multiple of another, such as query heads of key heads.
    The conditions are those on sizes of arguments, from operators that are not
    inside a loop or a branch; sizes that the program itself computes are its own
    affair, and what it does where they disagree is undefined.

    Results are arrays of the same kind as the first array argument and share no
    memory with the arguments; several come as a tuple.

    Attributes:
        name: the name in the source.
        arguments: a Parameter for each.
        results: a Parameter for each.

    Calling it raises:
        SeqcArgumentError: a tensor's dtype, rank or size is not what is expected,
            or a scalar does not fit. It is a ValueError.
        TypeError: too few or too many arguments, an unknown name, or neither an
            array nor a number.
    """

    def __init__(self, raw: _seqc.Function, on_gpu: bool = False) -> None:
        self._raw = raw
        self._on_gpu = on_gpu
        signature = json.loads(raw.signature)
        self.name: str = signature["name"]
        self.arguments = _parameters(signature["arguments"])
        self.results = _parameters(signature["results"])

    def __repr__(self) -> str:
        ins = ", ".join(f"{p.name}: {p}" if p.name else str(p) for p in self.arguments)
        outs = ", ".join(map(str, self.results))
        return f"<seqc function {self.name}({ins}) -> ({outs})>"

    def _bind(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[Any]:
        """The arguments in order."""
        if len(args) > len(self.arguments):
            raise TypeError(
                f"{self.name}: got {len(args)} arguments, expected "
                f"{len(self.arguments)}"
            )
        names = [p.name for p in self.arguments]
        for given in kwargs:
            if given in names[: len(args)]:
                raise TypeError(
                    f"{self.name}: argument `{given}` is given by position and by name"
                )
            if given not in names:
                raise TypeError(
                    f"{self.name}: unexpected argument `{given}`; it takes "
                    f"{', '.join(n or '?' for n in names)}"
                )
        values = list(args)
        for position, name in enumerate(names[len(args) :], len(args)):
            if name is None or name not in kwargs:
                label = f"argument {position}" if name is None else f"argument `{name}`"
                raise TypeError(f"{self.name}: missing {label}")
            values.append(kwargs[name])
        return values

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        values = self._bind(args, kwargs)
        like: Any = None
        views: list[Any] = []
        for position, (parameter, value) in enumerate(
            zip(self.arguments, values, strict=False)
        ):
            label = parameter.name or f"argument {position}"
            if parameter.kind == "tensor":
                views.append(_arrays.view(label, value))
                like = value if like is None else like
            else:
                views.append(_scalar(label, parameter.dtype, value))
        if self._on_gpu and like is not None:
            results = self._call_on_gpu(views, like)
        else:
            results = tuple(
                _arrays.wrap(r, like) if isinstance(r, _arrays.Array) else r
                for r in self._raw.call(views)
            )
        return results[0] if len(results) == 1 else results

    def _call_on_gpu(self, views: list[Any], like: Any) -> tuple[Any, ...]:
        from . import _places

        device = _places.cuda_device(like)
        if device is None:
            return self._raw.call(views)  # Raises.
        library = _places.library_of(like)
        return _places.call_on_gpu(self._raw, views, device, library, like)


class Program:
    """A compiled module, loaded and ready to call.

    `program["name"]` is a Function of it, and `program.functions` holds all; a
    program with one function can be called itself. What a call takes, checks and
    raises is said in Function.
    """

    def __init__(self, raw: _seqc.Program, artifact: bytes | None = None) -> None:
        self._raw = raw
        self._artifact = artifact
        self.functions: dict[str, Function] = {
            name: Function(_seqc.Function(raw, name), raw.target != "cpu")
            for name in raw.function_names
        }

    def __repr__(self) -> str:
        return f"<seqc program for {self.target}: {', '.join(self.functions)}>"

    @property
    def target(self) -> str:
        """The target whose code is loaded."""
        return self._raw.target

    @property
    def metadata(self) -> dict[str, Any]:
        """What the artifact says about itself."""
        result: dict[str, Any] = json.loads(self._raw.metadata)
        return result

    def __getitem__(self, name: str) -> Function:
        try:
            return self.functions[name]
        except KeyError:
            raise KeyError(
                f"no function `{name}`; there are {', '.join(self.functions)}"
            ) from None

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if len(self.functions) != 1:
            raise TypeError(
                f"the program has {len(self.functions)} functions; call one of them: "
                f"{', '.join(self.functions)}"
            )
        return next(iter(self.functions.values()))(*args, **kwargs)

    def to_bytes(self) -> bytes:
        """The artifact."""
        if self._artifact is None:
            raise ValueError("a program loaded from a file does not keep its bytes")
        return self._artifact

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes the artifact, whole or not at all."""
        write_file(path, self.to_bytes())


def write_file(path: str | os.PathLike[str], data: bytes) -> None:
    """Writes beside `path` and renames, so that it is never half-written."""
    target = Path(path)
    temporary = target.with_name(
        f".{target.name}.{os.getpid()}.{threading.get_ident()}"
    )
    try:
        temporary.write_bytes(data)
        os.replace(temporary, target)
    finally:
        temporary.unlink(missing_ok=True)


def _schedule_text(schedule: str | Mapping[str, int] | None) -> str | None:
    if schedule is None or isinstance(schedule, str):
        return schedule
    return " ".join(f"{key}={int(value)}" for key, value in schedule.items())


def _options(
    target: str | None = None,
    *,
    cpu: str | None = None,
    features: str | None = None,
    schedule: str | Mapping[str, int] | None = None,
    source_name: str | None = None,
    dump_dir: str | os.PathLike[str] | None = None,
    reproducer_dir: str | os.PathLike[str] | None = None,
    opt_level: int | None = None,
    verify_each: bool = True,
    aligned: bool = True,
    perf_errors: bool = True,
    skip_passes: Sequence[str] = (),
) -> _seqc.Options:
    options = _seqc.Options()
    options.target = target
    options.cpu = cpu
    options.features = features
    options.schedule = _schedule_text(schedule)
    options.source_name = source_name
    options.dump_dir = None if dump_dir is None else os.fspath(dump_dir)
    options.reproducer_dir = (
        None if reproducer_dir is None else os.fspath(reproducer_dir)
    )
    options.opt_level = -1 if opt_level is None else int(opt_level)
    options.verify_each = verify_each
    options.aligned = aligned
    options.perf_errors = perf_errors
    options.skip_passes = ",".join(skip_passes) or None
    if target not in (None, "cpu"):
        from ._places import ptxas_folders

        options.ptxas_folders = ptxas_folders() or None
    return options


def _read_source(source: Source) -> tuple[str | bytes, str | None]:
    """The text (or bytecode) of a source, and what diagnostics call it."""
    if isinstance(source, (str, bytes)):
        return source, None
    if isinstance(source, os.PathLike):
        path = Path(source)
        return path.read_bytes(), str(path)
    if hasattr(source, "mlir"):
        return source.mlir, source.name
    raise TypeError(
        "source: expected MLIR text, bytecode, a path or a seqc.Module, got "
        f"{type(source).__name__}"
    )


def compile(
    source: Source,
    target: str = "cpu",
    *,
    cpu: str | None = None,
    features: str | None = None,
    schedule: str | Mapping[str, int] | None = None,
    source_name: str | None = None,
    dump_dir: str | os.PathLike[str] | None = None,
    reproducer_dir: str | os.PathLike[str] | None = None,
    opt_level: int | None = None,
    verify_each: bool = True,
    aligned: bool = True,
    perf_errors: bool = True,
    skip_passes: Sequence[str] = (),
) -> Program:
    """Compiles a module and loads the result.

    Args:
        source: MLIR text (str), bytecode (bytes), the path of a file
            (pathlib.Path) or a seqc.Module.
        target: "cpu", "sm_80" or "sm_90a" (NVIDIA GPUs), or several separated by
            commas, of which the first that this machine runs is loaded.
        cpu: a processor that LLVM knows; None is this machine's.
        features: LLVM features to add or take away, such as "-avx512f".
        schedule: overrides of the schedule, such as {"tile_m": 64}.
        source_name: what diagnostics call the source.
        dump_dir: a folder that receives the program after every pass that
            changed it.
        reproducer_dir: a folder for reproducers of internal failures.
        opt_level: 0 to 3 for LLVM's optimiser.
        verify_each: verify the program after every pass.
        aligned: on GPUs, whether the code may rely on rows of arrays that start
            at multiples of 16 bytes.
        perf_errors: on GPUs, whether a kernel that would be slow, such as one
            that spills registers, is an error.
        skip_passes: on GPUs, passes to leave out, such as "tile-lazy-rescale",
            of those that only make kernels faster: to see what they are worth.

    Raises:
        SeqcError: the source is wrong, or the compiler failed on it.
    """
    text, name = _read_source(source)
    options = _options(
        target,
        cpu=cpu,
        features=features,
        schedule=schedule,
        source_name=source_name or name,
        dump_dir=dump_dir,
        reproducer_dir=reproducer_dir,
        opt_level=opt_level,
        verify_each=verify_each,
        aligned=aligned,
        perf_errors=perf_errors,
        skip_passes=skip_passes,
    )
    artifact = _seqc.compile(text, options)
    names = [part.strip() for part in target.split(",")]
    if len(names) == 1:
        return Program(_seqc.load(artifact, names[0]), artifact)
    try:
        raw = _seqc.load(artifact, None)
    except SeqcError:
        # For other machines than this one: its calls say why.
        raw = _seqc.load(artifact, names[0])
    return Program(raw, artifact)


def emit(source: Source, level: str, **options: Any) -> str | bytes:
    """The module at a level of the compiler, such as "tiled" or "llvm-ir".

    Text levels give str and binary ones bytes. An unknown level is an error
    that lists them. Options are those of `compile`.

    Raises:
        SeqcError: as `compile`, and for an unknown level.
    """
    text, name = _read_source(source)
    options.setdefault("source_name", name)
    data = _seqc.emit(text, level, _options(**options))
    binary = ("object", "library", "cubin", "seqc-bytecode")
    return data if level in binary else data.decode()


def load(path: str | os.PathLike[str] | bytes, target: str | None = None) -> Program:
    """Loads an artifact from a file, or from its bytes.

    Args:
        path: where the file is, or what it holds.
        target: which of its targets to load; None is the best for this machine.

    Raises:
        SeqcFileError: the file cannot be read. It is an OSError.
        SeqcError: it is no whole artifact, or has no code that this machine runs.
    """
    if isinstance(path, bytes):
        return Program(_seqc.load(path, target), path)
    try:
        return Program(_seqc.load(os.fspath(path), target))
    except SeqcError as error:
        if os.path.exists(path):
            raise
        raise SeqcFileError(str(error)) from None


def explain(
    source: Source,
    *,
    chip: str = "cpu",
    sizes: Mapping[str, int] | None = None,
    schedule: str | Mapping[str, int] | None = None,
    json: bool = False,
) -> Any:
    """Predicts what each operator of a module moves and computes.

    Sizes of memory are in bytes, work in floating-point operations (FLOP) and
    exponentials, and times in seconds; docs/io-model.md has the formulas.

    Args:
        source: as in `compile`.
        chip: "cpu" (this one), "x86-64-v3", "x86-64-v4", "a100" or "h200".
        sizes: numbers of elements for the dynamic sizes, such as {"B": 2, "S": 1000};
            the names are B, H, Hkv, S, Sq, Sk, D, L, G and arg<i>.<dim>.
        schedule: overrides of the schedule.
        json: return a dict instead of a table.

    Raises:
        SeqcError: the source is wrong, the chip is unknown, or a name in `sizes`
            is none of the module's.
    """
    text, name = _read_source(source)
    given = ",".join(f"{key}={int(value)}" for key, value in (sizes or {}).items())
    options = _options(schedule=schedule, source_name=name)
    report = _seqc.explain(text, chip, given, json, options).decode()
    return _load_json(report) if json else report


_load_json = json.loads


class _Slot:
    """One program of the cache: compiled by whoever gets the lock first."""

    __slots__ = ("function", "lock")

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.function: _seqc.Function | None = None


class Cache:
    """Compiled single-function programs by their text, least recently used out.

    A short key in front saves building the text on a warm call.
    """

    def __init__(self, size: int = 512) -> None:
        self.size = size
        self.compiled = 0
        self._lock = threading.Lock()
        self._by_key: OrderedDict[Hashable, _seqc.Function] = OrderedDict()
        self._by_text: OrderedDict[tuple[str, str, bool], _Slot] = OrderedDict()

    def find(self, key: Hashable) -> _seqc.Function | None:
        function = self._by_key.get(key)
        if function is not None:
            with self._lock:
                if key in self._by_key:
                    self._by_key.move_to_end(key)
        return function

    def build(
        self,
        key: Hashable,
        make_text: Callable[[], str],
        target: str = "cpu",
        aligned: bool = True,
    ) -> _seqc.Function:
        text = make_text()
        source = (text, target, aligned)
        with self._lock:
            slot = self._by_text.get(source)
            if slot is None:
                slot = self._by_text[source] = _Slot()
            self._by_text.move_to_end(source)
            self._trim(self._by_text)
        with slot.lock:
            if slot.function is None:
                # A slow kernel is better than none.
                options = _options(target, aligned=aligned, perf_errors=False)
                program = _seqc.load(_seqc.compile(text, options), target)
                slot.function = _seqc.Function(program, program.function_names[0])
                with self._lock:
                    self.compiled += 1
            function = slot.function
        with self._lock:
            self._by_key[key] = function
            self._trim(self._by_key)
        return function

    def _trim(self, items: OrderedDict[Any, Any]) -> None:
        while len(items) > self.size:
            items.popitem(last=False)

    def clear(self) -> None:
        with self._lock:
            self._by_key.clear()
            self._by_text.clear()

    def __len__(self) -> int:
        return len(self._by_text)


cache = Cache()

# What else to call when the cache is cleared.
clear_hooks: list[Callable[[], None]] = []


def clear_cache() -> None:
    """Forgets the programs that the eager calls have compiled."""
    cache.clear()
    for hook in clear_hooks:
        hook()
