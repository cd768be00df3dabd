# Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Where a call runs: in host memory, or on a GPU.

The first argument says it. A Place views the other arguments, which must be in
the same place, finds the code for it, and runs it: at once on the host, and on a
GPU in the stream in which the array's library works:

  torch   torch.cuda.current_stream(); results come from torch's allocator
  cupy    cupy.cuda.get_current_stream(); results come from cupy's
  others  the default stream, which DLPack's protocol orders with the library's
          own; results belong to seqc's runtime

The code for a GPU comes in two variants. One relies on rows that start at
multiples of 16 bytes, which nearly all arrays have; where the runtime refuses
it, the other is compiled, which takes any.
"""

from __future__ import annotations

import ctypes
import functools
import importlib.util
import os
import sys
from collections.abc import Callable, Hashable, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from . import _arrays, _seqc
from ._arrays import DEFAULT_STREAM, Array
from ._errors import AlignmentError, SeqcError
from ._program import cache, clear_hooks

GPU_TARGETS = ("sm_80", "sm_90a")

Arguments = Sequence[Array | int | float]


# ===----------------------------------------------------------------------===
# Array libraries on GPUs
# ===----------------------------------------------------------------------===


class Library:
    """What a library of arrays on GPUs does; this is one that is not known."""

    # Whether its allocator reuses memory in the order of the stream.
    ordered: ClassVar[bool] = False

    def stream(self, device: int) -> int:
        return DEFAULT_STREAM

    def empty(self, shape: tuple[int, ...], dtype: str, device: int, like: Any) -> Any:
        """A result to write to; None if the runtime is to allocate it."""
        return None

    def upload(self, value: np.ndarray[Any, Any], device: int) -> Any:
        """An array of the host on the device; None if there is no way."""
        return None

    def full(self, size: int, number: int, device: int) -> Any:
        """`size` times an i32."""
        return self.upload(np.full(size, number, np.int32), device)

    def convert(self, value: Any, dtype: str) -> Any:
        """An array of the library in another dtype; None if there is no way."""
        return None

    def dense(self, value: Any) -> Any:
        """A copy in row-major order; None if there is no way."""
        return None


class TorchLibrary(Library):
    ordered = True

    def __init__(self, torch: Any) -> None:
        self.torch = torch
        self.dtypes = {
            "f16": torch.float16,
            "bf16": torch.bfloat16,
            "f32": torch.float32,
            "f64": torch.float64,
            "i1": torch.bool,
            "i8": torch.int8,
            "i32": torch.int32,
            "i64": torch.int64,
        }

    def stream(self, device: int) -> int:
        return int(self.torch.cuda.current_stream(device).cuda_stream)

    def empty(self, shape: tuple[int, ...], dtype: str, device: int, like: Any) -> Any:
        where = self.torch.device("cuda", device)
        return self.torch.empty(shape, dtype=self.dtypes[dtype], device=where)

    def upload(self, value: np.ndarray[Any, Any], device: int) -> Any:
        # torch does not take a view with negative strides.
        value = np.ascontiguousarray(value)
        return self.torch.from_numpy(value.copy()).to(f"cuda:{device}")

    def full(self, size: int, number: int, device: int) -> Any:
        where = self.torch.device("cuda", device)
        return self.torch.full((size,), number, dtype=self.torch.int32, device=where)

    def convert(self, value: Any, dtype: str) -> Any:
        return value.detach().to(self.dtypes[dtype])

    def dense(self, value: Any) -> Any:
        return value.detach().contiguous()


class CupyLibrary(Library):
    ordered = True

    def __init__(self, cupy: Any) -> None:
        self.cupy = cupy

    def stream(self, device: int) -> int:
        with self.cupy.cuda.Device(device):
            return int(self.cupy.cuda.get_current_stream().ptr)

    def empty(self, shape: tuple[int, ...], dtype: str, device: int, like: Any) -> Any:
        numpy_dtype = like.dtype if dtype == "bf16" else _NUMPY[dtype]
        with self.cupy.cuda.Device(device):
            return self.cupy.empty(shape, numpy_dtype)

    def upload(self, value: np.ndarray[Any, Any], device: int) -> Any:
        with self.cupy.cuda.Device(device):
            return self.cupy.asarray(value)

    def convert(self, value: Any, dtype: str) -> Any:
        return value.astype(_NUMPY[dtype])

    def dense(self, value: Any) -> Any:
        return self.cupy.ascontiguousarray(value)


class JaxLibrary(Library):
    def __init__(self, jax: Any) -> None:
        self.jax = jax

    def upload(self, value: np.ndarray[Any, Any], device: int) -> Any:
        for candidate in self.jax.devices("gpu"):
            if candidate.local_hardware_id == device:
                return self.jax.device_put(value, candidate)
        return None

    def convert(self, value: Any, dtype: str) -> Any:
        return value.astype(_NUMPY[dtype])


_NUMPY = {
    "f16": np.float16,
    "f32": np.float32,
    "f64": np.float64,
    "i1": np.bool_,
    "i8": np.int8,
    "i32": np.int32,
    "i64": np.int64,
}

_UNKNOWN = Library()
_libraries: dict[str, Library] = {}


def library_of(value: Any) -> Library:
    """The library that an array on a GPU is of."""
    torch = sys.modules.get("torch")
    root = type(value).__module__.partition(".")[0]
    if torch is not None and isinstance(value, torch.Tensor):
        root = "torch"
    known: dict[str, Callable[[Any], Library]] = {
        "torch": TorchLibrary,
        "cupy": CupyLibrary,
        "jax": JaxLibrary,
        "jaxlib": JaxLibrary,
    }
    if root not in known:
        return _UNKNOWN
    name = "jax" if root == "jaxlib" else root
    if name not in _libraries:
        _libraries[name] = known[name](sys.modules[name])
    return _libraries[name]


# ===----------------------------------------------------------------------===
# Places
# ===----------------------------------------------------------------------===


class Host:
    """Host memory: a call runs at once."""

    is_gpu = False

    def __init__(self, first: str) -> None:
        self.first = first

    def view(self, name: str, value: Any) -> Array:
        """A view of argument `name`, which must be here."""
        return self._check(name, _arrays.view(name, value))

    def view_as(self, name: str, value: Any, dtype: str) -> Array:
        """A view of a small argument, converted where it is of another dtype."""
        return self._check(name, _arrays.view_as(name, value, dtype))

    def view_any(self, name: str, value: Any) -> Array:
        """A view of a small argument in its own dtype."""
        return self.view(name, value)

    def full(self, size: int, number: int) -> Array:
        return _seqc.from_numpy(np.full(size, number, dtype=np.int32))

    def dense(self, array: Array) -> Array:
        return array

    def _check(self, name: str, array: Array) -> Array:
        if array.device[0] != 1:
            raise TypeError(
                f"{name}: is on CUDA device {array.device[1]}, expected host memory "
                f"as {self.first}"
            )
        return array

    def run(
        self,
        key: Hashable,
        make_text: Callable[[], str],
        arguments: Arguments,
        like: Any,
    ) -> tuple[Any, ...]:
        """Runs the program of a key; the results are of the kind of `like`."""
        function = cache.find(key)
        if function is None:
            function = cache.build(key, make_text)
        return tuple(_arrays.wrap(r, like) for r in function.call(arguments))


class Gpu:
    """A GPU: a call puts work into a stream."""

    is_gpu = True

    def __init__(self, first: str, device: int, library: Library, target: str) -> None:
        self.first = first
        self.device = device
        self.library = library
        self.target = target
        # What the views are of, to make copies of.
        self.sources: list[tuple[Array, Any]] = []
        self.function: _seqc.Function | None = None
        self.unaligned: _seqc.Function | None = None

    def _keep(self, array: Array, value: Any) -> Array:
        self.sources.append((array, value))
        return array

    def _check(self, name: str, array: Array) -> None:
        where = f"expected CUDA device {self.device} as {self.first}"
        if array.device[0] == 1:
            raise TypeError(f"{name}: is in host memory, {where}")
        if array.device[1] != self.device:
            raise TypeError(f"{name}: is on CUDA device {array.device[1]}, {where}")

    def view(self, name: str, value: Any) -> Array:
        array = _arrays.view(name, value)
        self._check(name, array)
        return self._keep(array, value)

    def _upload(self, name: str, array: Array, value: Any) -> Array:
        host = _arrays.to_host(value) if array.dtype == "bf16" else array.numpy()
        moved = self.library.upload(host, self.device)
        if moved is None:
            self._check(name, array)  # Raises.
        return self._keep(_arrays.view(name, moved), moved)

    def view_as(self, name: str, value: Any, dtype: str) -> Array:
        if _is_on_gpu(value):
            array = self.view(name, value)
            if array.dtype == dtype:
                return array
            self.sources.pop()
            is_float = dtype in _arrays.FLOATS
            converted = None
            # From 64-bit integers only the host's conversion sees an overflow.
            if (array.dtype in _arrays.FLOATS) == is_float and array.dtype != "i64":
                converted = self.library.convert(value, dtype)
            if converted is not None:
                return self._keep(_arrays.view(name, converted), converted)
            value = _arrays.to_host(value)
        array = _arrays.view_as(name, value, dtype)
        return self._upload(name, array, array)

    def view_any(self, name: str, value: Any) -> Array:
        array = _arrays.view(name, value)
        if array.device[0] == 1:
            return self._upload(name, array, value)
        self._check(name, array)
        return self._keep(array, value)

    def full(self, size: int, number: int) -> Array:
        value = self.library.full(size, number, self.device)
        if value is None:
            raise TypeError(
                f"an integer is no array on CUDA device {self.device}: pass one"
            )
        return self._keep(_arrays.view("array", value), value)

    def dense(self, array: Array) -> Array:
        """An array whose last stride is 1, a copy if need be and possible."""
        if not array.shape or array.strides[-1] == 1 or array.shape[-1] <= 1:
            return array
        return self._copy(array)

    def _copy(self, array: Array) -> Array:
        for view, value in self.sources:
            if view is array:
                copy = self.library.dense(value)
                if copy is not None:
                    return self._keep(_arrays.view("array", copy), copy)
        return array

    def run(
        self,
        key: Hashable,
        make_text: Callable[[], str],
        arguments: Arguments,
        like: Any,
    ) -> tuple[Any, ...]:
        self.function = self._find(key, make_text, True)
        try:
            return self._call(self.function, arguments, like)
        except AlignmentError:
            pass
        self.unaligned = self._find(key, make_text, False)
        try:
            return self._call(self.unaligned, arguments, like)
        except AlignmentError:
            copies = [self._copy(x) if isinstance(x, Array) else x for x in arguments]
            if all(new is old for new, old in zip(copies, arguments, strict=True)):
                raise
        try:
            return self._call(self.function, copies, like)
        except AlignmentError:
            return self._call(self.unaligned, copies, like)

    def _find(
        self, key: Hashable, make_text: Callable[[], str], aligned: bool
    ) -> _seqc.Function:
        full = (key, self.target, aligned)
        function = cache.find(full)
        if function is None:
            function = cache.build(full, make_text, self.target, aligned)
        return function

    def _call(
        self, function: _seqc.Function, arguments: Arguments, like: Any
    ) -> tuple[Any, ...]:
        return call_on_gpu(function, arguments, self.device, self.library, like)


Place = Host | Gpu


@functools.lru_cache(maxsize=1024)
def _result_dtypes(function: _seqc.Function) -> tuple[str | None, ...]:
    """The dtypes of tensor results; None for a scalar."""
    import json

    results = json.loads(function.signature)["results"]
    return tuple(r["dtype"] if r["kind"] == "tensor" else None for r in results)


def call_on_gpu(
    function: _seqc.Function,
    arguments: Arguments,
    device: int,
    library: Library,
    like: Any,
) -> tuple[Any, ...]:
    """Puts a call into the stream of an array library."""
    stream = library.stream(device)
    dtypes = _result_dtypes(function)
    outputs: list[Any] = [None] * len(dtypes)
    views: list[Array | None] = [None] * len(dtypes)
    if library.ordered:
        shapes = iter(function.result_shapes(arguments))
        for i, dtype in enumerate(dtypes):
            if dtype is None:
                continue
            outputs[i] = library.empty(next(shapes), dtype, device, like)
            if outputs[i] is not None:
                views[i] = _arrays.view(f"result {i}", outputs[i])
    results = function.call_async(arguments, stream, views)
    if not library.ordered:
        arrays = [x for x in arguments if isinstance(x, Array)]
        _seqc.keep_until_done(device, stream, arrays)
    return tuple(
        result
        if not isinstance(result, Array)
        else output
        if output is not None
        else _arrays.wrap(result, like)
        for result, output in zip(results, outputs, strict=True)
    )


# ===----------------------------------------------------------------------===
# Finding the place
# ===----------------------------------------------------------------------===


def cuda_device(value: Any) -> int | None:
    """The number of the GPU that holds an array; None in host memory."""
    if isinstance(value, np.ndarray):
        return None
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(value, torch.Tensor):
        return int(value.get_device()) if value.is_cuda else None
    if isinstance(value, Array):
        return value.device[1] if value.device[0] == 2 else None
    locate = getattr(value, "__dlpack_device__", None)
    if locate is not None:
        kind, number = map(int, locate())
        return number if kind in (2, 13) else None
    if hasattr(value, "__cuda_array_interface__"):
        return _arrays.view("array", value).device[1]
    return None


def _is_on_gpu(value: Any) -> bool:
    return _arrays.is_array(value) and cuda_device(value) is not None


@functools.cache
def capability(device: int) -> int:
    return _seqc.device_capability(device)


def target_for(first: str, device: int, override: str | None) -> str:
    """The target for a GPU: the one asked for, or the best that it runs."""
    name = override or os.environ.get("SEQC_TARGET")
    if name:
        if name not in GPU_TARGETS:
            raise ValueError(
                f"target: got '{name}', expected one of {', '.join(GPU_TARGETS)}, "
                f"since {first} is on CUDA device {device}"
            )
        return name
    try:
        number = capability(device)
    except SeqcError as error:
        raise SeqcError(f"{first}: is on CUDA device {device}, but {error}") from None
    if number == 90:
        return "sm_90a"
    if number >= 80:
        return "sm_80"
    raise SeqcError(
        f"{first}: is on CUDA device {device} of compute capability "
        f"{number // 10}.{number % 10}, expected 8.0 or higher"
    )


def place_of(first: str, value: Any, target: str | None = None) -> Place:
    """The place of a call whose first argument, of that name, is `value`."""
    device = cuda_device(value)
    if device is None:
        if target not in (None, "cpu"):
            raise ValueError(
                f"target: got '{target}', expected 'cpu', since {first} is in host "
                "memory"
            )
        return Host(first)
    library = library_of(value)
    return Gpu(first, device, library, target_for(first, device, target))


@functools.cache
def ptxas_folders() -> str:
    """Folders of Python packages that may bring ptxas along."""
    folders = []
    for package, parts in (
        ("nvidia", ("cu13/bin", "cuda_nvcc/bin")),
        ("triton", ("backends/nvidia/bin",)),
    ):
        try:
            spec = importlib.util.find_spec(package)
        except (ImportError, ValueError):
            continue
        for root in (spec.submodule_search_locations if spec else None) or ():
            folders += [Path(root) / part for part in parts]
    return ":".join(str(f) for f in folders if (f / "ptxas").is_file())


# ===----------------------------------------------------------------------===
# The short way for torch
# ===----------------------------------------------------------------------===


class _Fast:
    """torch tensors on GPUs, by options that were seen before (_dispatch.cpp)."""

    def __init__(self) -> None:
        self.types: tuple[type, ...] = ()
        self.dispatcher: _seqc.Dispatcher | None = None
        self.tried = False

    def takes(self, value: Any) -> bool:
        """Whether an array is of a type that the dispatcher takes."""
        if not self.tried:
            torch = sys.modules.get("torch")
            if torch is not None and isinstance(value, torch.Tensor):
                self.prepare(torch)
        return type(value) in self.types

    def prepare(self, torch: Any, device_type: int = 2) -> None:
        """Looks for the table of torch that it takes, once."""
        self.tried = True
        # torch 2.10 has it under an earlier name of DLPack's, as an address.
        names = ("__dlpack_c_exchange_api__", "__c_dlpack_exchange_api__")
        found = (getattr(torch.Tensor, name, None) for name in names)
        api = next((x for x in found if x is not None), None)
        if api is None:
            return  # torch before 2.10
        if isinstance(api, int):
            make = ctypes.pythonapi.PyCapsule_New
            make.restype = ctypes.py_object
            make.argtypes = (ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p)
            api = make(api, b"dlpack_exchange_api", None)
        types = (torch.Tensor, torch.nn.Parameter)
        self.dispatcher = _seqc.Dispatcher(
            api,
            torch.empty,
            torch.is_grad_enabled,
            types,
            TorchLibrary(torch).dtypes,
            device_type,
        )
        self.types = types

    def remember(
        self,
        key: Hashable,
        place: Place,
        tensors: tuple[Any, ...],
        arguments: Arguments,
    ) -> None:
        """Leaves a call that went the long way, if its arguments are `tensors`."""
        if not isinstance(place, Gpu) or not isinstance(place.library, TorchLibrary):
            return
        function = place.function
        if self.dispatcher is None or function is None:
            return
        try:
            hash(key)
        except TypeError:
            return
        if len(tensors) != len(arguments):
            return
        for given, used in zip(tensors, arguments, strict=True):
            if isinstance(used, Array):
                same = type(given) in self.types and given.data_ptr() == used.data
            else:
                same = given is used
            if not same:
                return
        import json

        signature = json.loads(function.signature)
        expected = [
            (
                p["dtype"],
                tuple(-1 if size is None else size for size in p["shape"]),
            )
            if p["kind"] == "tensor"
            else p["dtype"]
            for p in signature["arguments"]
        ]
        results = [p["dtype"] for p in signature["results"]]
        self.dispatcher.add(
            key, expected, function, place.unaligned, results, place.device
        )

    def call(self, key: Hashable, tensors: tuple[Any, ...]) -> Any:
        """The results of a call that was seen before, else None."""
        return None if self.dispatcher is None else self.dispatcher.call(key, tensors)

    def clear(self) -> None:
        if self.dispatcher is not None:
            self.dispatcher.clear()


fast = _Fast()
clear_hooks.append(fast.clear)
