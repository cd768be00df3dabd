# Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Arrays in and out, without copies.

An argument may be a numpy array, a torch tensor, anything with `__dlpack__`, or
with `__cuda_array_interface__`, in host memory or on a CUDA device; the result
is handed out as the same kind. Neither torch nor any other array library is
imported here: an object that is passed in has already brought its library along.

What a call does with the memory, and where it runs, is in _places.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from . import _seqc

Array = _seqc.Array

FLOATS = ("f16", "bf16", "f32", "f64")
_ITEMSIZE = {"f16": 2, "bf16": 2, "f32": 4, "f64": 8}


class Kind(NamedTuple):
    """How one array type comes in and goes out."""

    view: Callable[[Any], Array]
    wrap: Callable[[Array, Any], Any]


def _wrap_numpy(result: Array, like: Any) -> Any:
    out = result.numpy()
    if result.dtype == "bf16":
        dtype = like.dtype if like.dtype.name == "bfloat16" else _bfloat16()
        out = out.view(dtype)
    return out


def _bfloat16() -> Any:
    # numpy has no bf16 of its own; whoever passed one in has loaded ml_dtypes.
    module = sys.modules.get("ml_dtypes")
    return module.bfloat16 if module is not None else np.uint16


def _view_numpy_scalar(value: Any) -> Array:
    return _seqc.from_numpy(np.asarray(value))


_NUMPY = Kind(_seqc.from_numpy, _wrap_numpy)


def _torch_kind(torch: Any) -> Kind:
    to_dlpack = torch.utils.dlpack.to_dlpack
    from_dlpack = torch.utils.dlpack.from_dlpack
    is_grad_enabled = torch.is_grad_enabled

    def view(tensor: Any) -> Array:
        if tensor.requires_grad:
            if is_grad_enabled():
                raise TypeError(
                    "requires grad, and seqc computes no gradient for it: call it "
                    "under torch.no_grad() or pass tensor.detach()"
                )
            tensor = tensor.detach()
        if tensor.device.type not in ("cpu", "cuda"):
            raise TypeError(f"is on device {tensor.device}, expected cpu or cuda")
        if tensor.layout is not torch.strided:
            raise TypeError(f"has layout {tensor.layout}, expected torch.strided")
        if tensor.is_conj() or tensor.is_neg():
            tensor = tensor.resolve_conj().resolve_neg()
        if tensor.dtype.is_complex:
            raise TypeError(f"unsupported dtype {tensor.dtype}")
        return _seqc.from_dlpack(to_dlpack(tensor))

    def wrap(result: Array, like: Any) -> Any:
        return from_dlpack(result.__dlpack__())

    return Kind(view, wrap)


# DLPack's numbers of devices.
_HOST_MEMORY = (1, 3)
_CUDA_MEMORY = (2, 13)

# DLPack's number of CUDA's default stream, and the driver's handle of it.
DEFAULT_STREAM = 1


def _view_dlpack(value: Any) -> Array:
    options: dict[str, Any] = {}
    locate = getattr(value, "__dlpack_device__", None)
    if locate is not None:
        device = tuple(map(int, locate()))
        if device[0] in _CUDA_MEMORY:
            # What computes the array is ordered before the call's stream:
            # cupy's current one, in which the call runs, or the default one.
            on_stream = type(value).__module__.partition(".")[0] == "cupy"
            options["stream"] = -1 if on_stream else DEFAULT_STREAM
        elif device[0] not in _HOST_MEMORY:
            raise TypeError(
                f"is on DLPack device {device}, expected host memory or CUDA"
            )
    try:
        capsule = value.__dlpack__(**options, max_version=(1, 0))
    except TypeError:
        capsule = value.__dlpack__(**options)
    return _seqc.from_dlpack(capsule)


def _view_cuda(value: Any) -> Array:
    fields = value.__cuda_array_interface__
    if fields.get("mask") is not None:
        raise TypeError("has a mask, which is not supported")
    data, shape = fields["data"][0], tuple(fields["shape"])
    dtype = np.dtype(fields["typestr"])
    array = _seqc.from_cuda(data, shape, fields.get("strides"), dtype, value)
    stream = fields.get("stream")
    if stream not in (None, DEFAULT_STREAM):
        _seqc.stream_wait(array.device[1], DEFAULT_STREAM, stream)
    return array


def _wrap_dlpack(result: Array, like: Any) -> Any:
    namespace = getattr(like, "__array_namespace__", None)
    if namespace is not None:
        return namespace().from_dlpack(result)
    root = sys.modules.get(type(like).__module__.partition(".")[0])
    for module in (root, getattr(root, "dlpack", None)):
        from_dlpack = getattr(module, "from_dlpack", None)
        if from_dlpack is not None:
            return from_dlpack(result)
    return result.numpy() if result.dtype != "bf16" else result


_DLPACK = Kind(_view_dlpack, _wrap_dlpack)
_CUDA = Kind(_view_cuda, lambda result, like: result)
_ARRAY = Kind(lambda value: value, lambda result, like: result)
_KINDS: dict[type, Kind] = {np.ndarray: _NUMPY, Array: _ARRAY}


def find_kind(cls: type) -> Kind | None:
    """The kind of arrays of type `cls`; None if it is no array type."""
    kind = _KINDS.get(cls)
    if kind is not None:
        return kind
    torch = sys.modules.get("torch")
    if issubclass(cls, np.ndarray):
        kind = _NUMPY
    elif issubclass(cls, np.generic):
        kind = Kind(_view_numpy_scalar, _wrap_numpy)
    elif torch is not None and issubclass(cls, torch.Tensor):
        kind = _torch_kind(torch)
    elif hasattr(cls, "__dlpack__"):
        kind = _DLPACK
    elif hasattr(cls, "__cuda_array_interface__"):
        kind = _CUDA
    else:
        return None
    _KINDS[cls] = kind
    return kind


def is_array(value: Any) -> bool:
    """Whether `value` is an array of one element or more dimensions."""
    return find_kind(type(value)) is not None and not isinstance(value, np.generic)


def view(name: str, value: Any) -> Array:
    """A view of argument `name`."""
    kind = _KINDS.get(type(value)) or find_kind(type(value))
    if kind is None:
        raise TypeError(
            f"{name}: expected a numpy array, a torch tensor or an object with "
            f"__dlpack__, got {type(value).__name__}"
        )
    try:
        return kind.view(value)
    except TypeError as error:
        raise TypeError(f"{name}: {error}") from None


def wrap(result: Array, like: Any) -> Any:
    """A result as the same kind of array as `like`."""
    kind = _KINDS.get(type(like)) or find_kind(type(like))
    return kind.wrap(result, like) if kind is not None else result.numpy()


def describe(array: Array) -> str:
    """For error messages: `(2, 8, 100, 64) f32`."""
    return f"{array.shape} {array.dtype}"


def to_host(value: Any) -> np.ndarray[Any, Any]:
    """`value` as a numpy array for the small conversions below; may copy."""
    if isinstance(value, (np.ndarray, np.generic)):
        return np.asarray(value)
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(value, torch.Tensor):
        value = value.detach().cpu()
        if value.dtype == torch.bfloat16:
            value = value.float()
        return np.asarray(value.numpy())
    if find_kind(type(value)) is _DLPACK:
        return np.from_dlpack(value)
    return np.asarray(value)


def view_as(name: str, value: Any, dtype: str) -> Array:
    """A view of a small argument as `dtype`, converted if it is another one.

    Floats convert to floats and integers to integers whose range they fit.
    """
    if find_kind(type(value)) is not None:
        try:
            array = view(name, value)
        except TypeError:
            array = None  # Perhaps a dtype that numpy converts, such as uint8.
        if array is not None and array.dtype == dtype:
            return array
    elif not isinstance(value, (list, tuple)):
        view(name, value)  # Raises.
    host = to_host(value)
    if dtype in FLOATS:
        if host.dtype.kind not in "fiu" and host.dtype.name != "bfloat16":
            raise TypeError(f"{name}: has dtype {host.dtype}, expected a float dtype")
        target = {"f16": np.float16, "f32": np.float32, "f64": np.float64}[dtype]
        return _seqc.from_numpy(host.astype(target))
    if host.dtype.kind not in "iu":
        raise TypeError(f"{name}: has dtype {host.dtype}, expected an integer dtype")
    limits = np.iinfo(np.int32 if dtype == "i32" else np.int64)
    if host.size and (int(host.min()) < limits.min or int(host.max()) > limits.max):
        raise ValueError(
            f"{name}: has values from {host.min()} to {host.max()}, expected values "
            f"that fit {dtype}"
        )
    return _seqc.from_numpy(host.astype(limits.dtype))
