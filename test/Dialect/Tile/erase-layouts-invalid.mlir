// RUN: seqc-opt %s --tile-erase-layouts --verify-diagnostics

tile.kernel @f(%bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  %s = tile.alloc : !tile.shared<64x64xf16>
  // expected-error @+1 {{'tile.mma_async' op is defined on layouts only: run tile-erase-async first}}
  %0 = tile.mma_async %s, %s : !tile.shared<64x64xf16>, !tile.shared<64x64xf16> -> !tile.async<tensor<64x64xf32, #tile.mma<warps = 4>>>
  %1 = tile.wait %0 : !tile.async<tensor<64x64xf32, #tile.mma<warps = 4>>>
  tile.return
}
