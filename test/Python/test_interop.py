# Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Arrays of every kind in and out, without copies."""

from __future__ import annotations

import gc
import subprocess
import sys
import weakref
from typing import Any

import numpy as np
import pytest
import seqc
from seqc import _arrays, _seqc
from seqc_testing import BFLOAT16, SANITIZED

Q = np.arange(2 * 3 * 4 * 8, dtype=np.float32).reshape(2, 3, 4, 8) / 100


class Exporter:
    """An array type that only knows DLPack, in the namespace of its own."""

    def __init__(self, array: Any) -> None:
        self.array = array

    def __dlpack__(self, **kwargs: Any) -> Any:
        return self.array.__dlpack__(**kwargs)

    def __dlpack_device__(self) -> Any:
        return self.array.__dlpack_device__()

    def __array_namespace__(self) -> Any:
        return Namespace


class Namespace:
    @staticmethod
    def from_dlpack(x: Any) -> Exporter:
        return Exporter(np.from_dlpack(x))


class OldExporter:
    """The DLPack of before 2022: no keywords, no device."""

    def __init__(self, array: Any) -> None:
        self.array = array

    def __dlpack__(self) -> Any:
        return self.array.__dlpack__()


def test_numpy_view_shares_memory() -> None:
    x = Q[:, ::-1, 1:, ::2]
    view = _arrays.view("x", x)
    assert view.data == x.__array_interface__["data"][0]
    assert view.shape == x.shape
    assert view.strides == tuple(s // 4 for s in x.strides)
    assert view.dtype == "f32"
    np.testing.assert_array_equal(view.numpy(), x)


@pytest.mark.parametrize(
    ("dtype", "name"),
    [
        (np.float16, "f16"),
        (np.float32, "f32"),
        (np.float64, "f64"),
        (np.int8, "i8"),
        (np.int32, "i32"),
        (np.int64, "i64"),
        (bool, "i1"),
    ],
)
def test_dtypes_round_trip(dtype: Any, name: str) -> None:
    x = np.ones((2, 3), dtype)
    view = _arrays.view("x", x)
    assert view.dtype == name
    back = view.numpy()
    assert back.dtype == x.dtype
    np.testing.assert_array_equal(back, x)
    np.testing.assert_array_equal(np.from_dlpack(view), x)


def test_bfloat16_through_numpy() -> None:
    if BFLOAT16 is None:
        pytest.skip("needs ml_dtypes")
    x = Q.astype(BFLOAT16)
    assert _arrays.view("x", x).dtype == "bf16"
    out = seqc.attention(x, x, x)
    assert out.dtype == BFLOAT16


def test_foreign_byte_order_and_misaligned_arrays_are_copied() -> None:
    swapped = Q.astype(">f4")
    np.testing.assert_array_equal(seqc.attention(swapped, swapped, swapped),
                                  seqc.attention(Q, Q, Q))  # fmt: skip
    raw = np.zeros(Q.nbytes + 1, np.uint8)[1:].view(np.float32).reshape(Q.shape)
    raw[...] = Q
    assert not raw.flags.aligned
    np.testing.assert_array_equal(
        seqc.attention(raw, raw, raw), seqc.attention(Q, Q, Q)
    )
    records = np.zeros(Q.shape, [("a", "u1"), ("x", "<f4")])
    records["x"] = Q
    field = records["x"]
    np.testing.assert_array_equal(
        seqc.attention(field, field, field), seqc.attention(Q, Q, Q)
    )


def test_arguments_are_never_written() -> None:
    x = Q.copy()
    x.flags.writeable = False
    seqc.attention(x, x, x, causal=True)
    np.testing.assert_array_equal(x, Q)


def test_zero_dimensional_and_empty_views() -> None:
    view = _arrays.view("x", np.float32(2.5))
    assert view.shape == ()
    assert view.numpy() == 2.5
    assert _arrays.view("x", np.zeros((0, 3))).shape == (0, 3)


def test_results_outlive_everything() -> None:
    out = seqc.attention(Q, Q, Q)
    copy = out.copy()
    seqc.clear_cache()
    gc.collect()
    np.testing.assert_array_equal(out, copy)
    part = out[0, 0, 1:3]
    expected = part.copy()
    del out
    gc.collect()
    np.testing.assert_array_equal(part, expected)


def test_results_are_dense_writable_and_our_own() -> None:
    out = seqc.attention(Q, Q, Q)
    assert out.flags.c_contiguous and out.flags.writeable
    out[...] = 0
    assert (seqc.attention(Q, Q, Q) != 0).any()


def test_views_keep_their_array_and_release_it() -> None:
    class Owner(np.ndarray[Any, Any]):
        pass

    x = np.ones(3, np.float32).view(Owner)
    alive = weakref.ref(x)
    view = _arrays.view("x", x)
    del x
    gc.collect()
    assert alive() is not None
    assert view.numpy().tolist() == [1, 1, 1]
    del view
    gc.collect()
    assert alive() is None


@pytest.mark.skipif(SANITIZED, reason="a sanitizer keeps freed memory")
def test_memory_does_not_grow() -> None:
    """Results are freed, whichever way they leave."""
    import resource

    x = np.ones((1, 1, 4096, 16), np.float32)
    y = np.ones((1, 1, 1, 16), np.float32)
    torch = sys.modules.get("torch")

    def run() -> None:
        seqc.attention(x, y, y)
        raw = _seqc.from_numpy(seqc.attention(x, y, y))
        np.from_dlpack(raw)
        raw.__dlpack__()
        if torch is not None:
            t = torch.from_numpy(x), torch.from_numpy(y), torch.from_numpy(y)
            seqc.attention(*t)

    for _ in range(20):
        run()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for _ in range(400):
        run()
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert after - before < 50_000, f"{after - before} KiB more after 400 rounds"


def test_any_dlpack_object() -> None:
    expected = seqc.attention(Q, Q, Q)
    out = seqc.attention(Exporter(Q), Exporter(Q), Exporter(Q))
    assert isinstance(out, Exporter)
    np.testing.assert_array_equal(out.array, expected)
    out = seqc.attention(OldExporter(Q), Q, Q)
    np.testing.assert_array_equal(out, expected)


def test_dlpack_object_elsewhere() -> None:
    class OnDevice(Exporter):
        def __dlpack_device__(self) -> Any:
            return (2, 1)

    # Its memory is that of the host, but the device counts.
    with pytest.raises(seqc.SeqcError, match="query: is on CUDA device 1, but"):
        seqc.attention(OnDevice(Q), Q, Q)

    class OnTpu(Exporter):
        def __dlpack_device__(self) -> Any:
            return (17, 0)

    with pytest.raises(TypeError, match=r"key: is on DLPack device \(17, 0\)"):
        seqc.attention(Q, OnTpu(Q), Q)


def test_capsules_are_taken_once() -> None:
    capsule = Q.__dlpack__()
    _seqc.from_dlpack(capsule)
    with pytest.raises(TypeError, match="nobody has taken"):
        _seqc.from_dlpack(capsule)
    with pytest.raises(TypeError):
        _seqc.from_dlpack(3)


def test_kinds_may_be_mixed() -> None:
    out = seqc.attention(Q, Exporter(Q), Q)
    assert type(out) is np.ndarray


def test_numpy_scalars_and_subclasses() -> None:
    class Mine(np.ndarray[Any, Any]):
        pass

    out = seqc.attention(Q.view(Mine), Q, Q)
    np.testing.assert_array_equal(out, seqc.attention(Q, Q, Q))


def test_import_brings_no_torch() -> None:
    code = (
        "import sys, numpy as np, seqc\n"
        "x = np.ones((1, 1, 2, 4), np.float32)\n"
        "seqc.attention(x, x, x, score_mod=lambda s, b, h, q, k: s + q)\n"
        "assert 'torch' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


# torch.


def test_torch_in_torch_out() -> None:
    torch = pytest.importorskip("torch")
    x = torch.from_numpy(Q)
    out, lse = seqc.attention(x, x, x, return_lse=True)
    assert isinstance(out, torch.Tensor) and isinstance(lse, torch.Tensor)
    assert out.is_contiguous()
    np.testing.assert_array_equal(out.numpy(), seqc.attention(Q, Q, Q))
    out.zero_()
    del lse
    gc.collect()
    assert out.sum() == 0


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
def test_torch_dtypes(dtype: str) -> None:
    torch = pytest.importorskip("torch")
    x = torch.from_numpy(Q).to(getattr(torch, dtype))
    view = _arrays.view("x", x)
    assert view.data == x.data_ptr()
    out = seqc.attention(x, x, x)
    assert out.dtype == x.dtype


def test_torch_strides() -> None:
    torch = pytest.importorskip("torch")
    base = torch.from_numpy(np.ascontiguousarray(Q))
    heads_last = base.permute(0, 2, 1, 3).contiguous().permute(0, 2, 1, 3)
    assert not heads_last.is_contiguous()
    view = _arrays.view("x", heads_last)
    assert view.strides == heads_last.stride()
    assert view.data == heads_last.data_ptr()
    expected = seqc.attention(base, base, base)
    assert torch.equal(seqc.attention(heads_last, heads_last, heads_last), expected)
    wide = base[:, :1].expand(2, 3, 4, 8)
    narrow = base[:, :1].contiguous()
    assert torch.equal(
        seqc.attention(base, wide, wide), seqc.attention(base, narrow, narrow)
    )
    assert torch.equal(
        seqc.attention(base[..., ::2], base[..., ::2], base),
        seqc.attention(base[..., ::2].contiguous(), base[..., ::2].contiguous(), base),
    )


def test_torch_parameters_without_grad() -> None:
    torch = pytest.importorskip("torch")
    x = torch.from_numpy(Q.copy()).requires_grad_()
    with torch.no_grad():
        out = seqc.attention(x, x, x)
    assert not out.requires_grad
    with torch.inference_mode():
        assert torch.equal(seqc.attention(x, x, x), out)


def test_torch_conjugate_and_negative_views() -> None:
    torch = pytest.importorskip("torch")
    imaginary = torch.complex(torch.zeros(Q.shape), torch.from_numpy(Q)).conj().imag
    assert imaginary.is_neg()
    plain = torch.from_numpy(-Q)
    assert torch.equal(
        seqc.attention(imaginary, imaginary, imaginary),
        seqc.attention(plain, plain, plain),
    )


def test_torch_results_survive() -> None:
    torch = pytest.importorskip("torch")
    x = torch.from_numpy(Q)
    out = seqc.attention(x, x, x)
    expected = out.clone()
    view = out[0, 1:]
    del out
    gc.collect()
    assert torch.equal(view, expected[0, 1:])


def test_torch_captures_and_options() -> None:
    torch = pytest.importorskip("torch")
    x = torch.from_numpy(Q)
    slopes = torch.rand(3, generator=torch.Generator().manual_seed(0))
    ids = torch.tensor([[0, 0, 1, 1], [0, 1, 1, 1]])
    flags = torch.tensor([True, False, True])
    out = seqc.attention(
        x,
        x,
        x,
        alibi_slopes=slopes,
        segment_ids=ids,
        sinks=slopes.double(),
        prefix=torch.tensor([1, 2]),
        score_mod=lambda s, b, h, q, k: torch.where(flags[h], s * slopes[h], s),
    )
    assert torch.isfinite(out).all()
