# Part of the seqc project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Exponentials as polynomials (tile-share-exponentials): by themselves, and in
attention, whose error stays within the specification."""

from __future__ import annotations

import numpy as np
import pytest
import seqc
from seqc import reference
from seqc._attention import AttentionKey, attention_text
from seqc._text import Masking
from seqc._trace import trace_regions
from seqc_testing import BFLOAT16, assert_close, attention_bound, lse_bound, run_passes
from test_attention import Shape, inputs

pytestmark = pytest.mark.skipif(BFLOAT16 is None, reason="needs ml_dtypes")

KERNEL = """
tile.kernel @power(%x: memref<?x64xf32, strided<[?, ?], offset: ?>>,
                   %y: memref<?x64xf32>, %z: memref<?x64xf16>,
                   %bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  %c0 = arith.constant 0 : index
  %c64 = arith.constant 64 : index
  %i = arith.muli %bx, %c64 : index
  %t = tile.load %x[%i, %c0]
      : memref<?x64xf32, strided<[?, ?], offset: ?>> -> tensor<64x64xf32>
  %p = math.exp2 %t : tensor<64x64xf32>
  %w = arith.truncf %p : tensor<64x64xf32> to tensor<64x64xf16>
  tile.store %p, %y[%i, %c0] : tensor<64x64xf32>, memref<?x64xf32>
  tile.store %w, %z[%i, %c0] : tensor<64x64xf16>, memref<?x64xf16>
  tile.return
}
func.func @f(%x: tensor<?x64xf32>) -> (tensor<?x64xf32>, tensor<?x64xf16>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c64 = arith.constant 64 : index
  %n = tensor.dim %x, %c0 : tensor<?x64xf32>
  %tiles = arith.ceildivui %n, %c64 : index
  %e = tensor.empty(%n) : tensor<?x64xf32>
  %f = tensor.empty(%n) : tensor<?x64xf16>
  %y:2 = tile.launch @power grid(%tiles, %c1, %c1) ins(%x : tensor<?x64xf32>)
      outs(%e, %f : tensor<?x64xf32>, tensor<?x64xf16>)
      -> tensor<?x64xf32>, tensor<?x64xf16>
  return %y#0, %y#1 : tensor<?x64xf32>, tensor<?x64xf16>
}
"""


SHARE = (
    "--pass-pipeline=builtin.module(tile.kernel(tile-share-exponentials{{every={}}},"
    "tile-erase-async,tile-erase-layouts),convert-tile-to-cpu)"
)


def compile_after(source: str, *options: str) -> seqc.Program:
    return seqc.compile(run_passes(source, *options), opt_level=0)


@pytest.mark.parametrize("every", [1, 2, 8])
def test_powers(every: int) -> None:
    rng = np.random.default_rng(1)
    x = rng.uniform(-160, 15, (256, 64)).astype(np.float32)
    x[64:128] = np.round(x[64:128] * 2) / 2
    x[128:192] *= 0.01
    x[0, :], x[5, :] = -np.inf, np.nan
    y, _ = compile_after(KERNEL, SHARE.format(every))["f"](x)
    exact = np.exp2(x.astype(np.float64))
    is_large = exact >= 2.0**-120
    np.testing.assert_allclose(y[is_large], exact[is_large], rtol=3e-6)
    np.testing.assert_allclose(y[~is_large], exact[~is_large], atol=2.0**-119)
    assert (y[0] == 0).all()
    assert np.isnan(y[5]).all()
    # Not the same numbers where they are polynomials, and nowhere else.
    plain, _ = compile_after(KERNEL, SHARE.format(0))["f"](x)
    blocks = (y != plain)[128:192].any(axis=0).reshape(8, 8).any(axis=1)
    np.testing.assert_array_equal(blocks, np.arange(8) % every == every - 1)


@pytest.mark.parametrize("dtype", ["bf16", "f16"])
@pytest.mark.parametrize("polynomials", [1, 4])
@pytest.mark.parametrize("softcap", [None, 3.0])
def test_attention(softcap: float | None, polynomials: int, dtype: str) -> None:
    regions, _ = trace_regions("f32", softcap=softcap)
    source = attention_text(
        AttentionKey(
            dtype=dtype,
            head_dim=64,
            value_dim=64,
            scale=None,
            masking=Masking(True, None, None),
            bias=None,
            segments=False,
            prefix=False,
            sinks=False,
            dropout=0.0,
            regions=regions.regions,
            captures=regions.types(),
            offset=regions.offset,
            return_lse=True,
            schedule=(),
        )
    )
    pipeline = f"--seqc-through-tile=chip=sm_90a polynomials={polynomials}"
    program = compile_after(source, pipeline)
    rng = np.random.default_rng(2)
    # The last rows see everything, the first ones nothing.
    for shape in (Shape(1, 2, 1, 70, 300), Shape(1, 2, 2, 40, 20)):
        q, k, v = inputs(shape, rng, 64, 64, dtype)
        out, lse = program["attention"](q, k, v)
        expected, expected_lse = reference.attention(
            q, k, v, causal=True, softcap=softcap
        )
        assert_close(out, expected, attention_bound(dtype, v, heads=q.shape[1]))
        assert_close(lse, expected_lse, lse_bound(dtype, expected_lse), "lse")
