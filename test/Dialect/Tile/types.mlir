// RUN: %roundtrip

// CHECK-LABEL: func.func private @mma(tensor<128x64xf32, #tile.mma<warps = 4>>)
func.func private @mma(tensor<128x64xf32, #tile.mma<warps = 4>>)

// Three warpgroups.
// CHECK-LABEL: func.func private @mma12(tensor<192x8xf32, #tile.mma<warps = 12>>)
func.func private @mma12(tensor<192x8xf32, #tile.mma<warps = 12>>)

// CHECK-LABEL: func.func private @blocked(tensor<32x128xbf16, #tile.blocked<thread = [1, 8], lanes = [4, 8], warps = [2, 2]>>)
func.func private @blocked(tensor<32x128xbf16, #tile.blocked<thread = [1, 8], lanes = [4, 8], warps = [2, 2]>>)

// CHECK-LABEL: func.func private @rows(tensor<128xf32, #tile.slice<dim = 1, of = #tile.mma<warps = 4>>>)
func.func private @rows(tensor<128xf32, #tile.slice<dim = 1, of = #tile.mma<warps = 4>>>)

// CHECK-LABEL: func.func private @slice_of_slice(tensor<32xf32, #tile.slice<dim = 0, of = #tile.slice<dim = 0, of = #tile.blocked<thread = [1, 1, 1], lanes = [1, 1, 32], warps = [1, 1, 1]>>>>)
func.func private @slice_of_slice(tensor<32xf32, #tile.slice<dim = 0, of = #tile.slice<dim = 0, of = #tile.blocked<thread = [1, 1, 1], lanes = [1, 1, 32], warps = [1, 1, 1]>>>>)

// CHECK-LABEL: func.func private @types(!tile.shared<64x128xbf16>, !tile.ring<2 x 64x80xf16>, !tile.async<tensor<64x8xf32, #tile.mma<warps = 4>>>)
func.func private @types(!tile.shared<64x128xbf16>, !tile.ring<2 x 64x80xf16>, !tile.async<tensor<64x8xf32, #tile.mma<warps = 4>>>)
