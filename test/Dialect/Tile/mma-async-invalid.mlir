// RUN: %invalid

tile.kernel @f(%bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  %s = tile.alloc : !tile.shared<64x64xf32>
  // expected-error @+1 {{'tile.mma_async' op needs factors of type f16 or bf16, but got 'f32'}}
  %0 = tile.mma_async %s, %s : !tile.shared<64x64xf32>, !tile.shared<64x64xf32> -> !tile.async<tensor<64x64xf32, #tile.mma<warps = 4>>>
  %1 = tile.wait %0 : !tile.async<tensor<64x64xf32, #tile.mma<warps = 4>>>
  tile.return
}

// -----

tile.kernel @f(%bx: index, %by: index, %bz: index) attributes {warps = 2 : i64} {
  %s = tile.alloc : !tile.shared<64x64xf16>
  // expected-error @+1 {{'tile.mma_async' op needs a result in #tile.mma with a multiple of 4 warps, but got 'tensor<64x64xf32, #tile.mma<warps = 2>>'}}
  %0 = tile.mma_async %s, %s : !tile.shared<64x64xf16>, !tile.shared<64x64xf16> -> !tile.async<tensor<64x64xf32, #tile.mma<warps = 2>>>
  %1 = tile.wait %0 : !tile.async<tensor<64x64xf32, #tile.mma<warps = 2>>>
  tile.return
}

// -----

tile.kernel @f(%bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  %s = tile.alloc : !tile.shared<64x64xf16>
  // expected-error @+1 {{'tile.mma_async' op of '!tile.shared<64x64xf16>' and '!tile.shared<64x64xf16>' is 64x64, but the accumulator is 'tensor<64x32xf32, #tile.mma<warps = 4>>'}}
  %0 = tile.mma_async %s, %s : !tile.shared<64x64xf16>, !tile.shared<64x64xf16> -> !tile.async<tensor<64x32xf32, #tile.mma<warps = 4>>>
  %1 = tile.wait %0 : !tile.async<tensor<64x32xf32, #tile.mma<warps = 4>>>
  tile.return
}

// -----

tile.kernel @f(%bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  %s = tile.alloc : !tile.shared<64x64xf16>
  %z = arith.constant dense<0.0> : tensor<64x64xf32>
  // expected-error @+1 {{'tile.mma_async' op has an accumulator of type 'tensor<64x64xf32>', but a result of 'tensor<64x64xf32, #tile.mma<warps = 4>>'}}
  %0 = tile.mma_async %s, %s acc(%z : tensor<64x64xf32>) : !tile.shared<64x64xf16>, !tile.shared<64x64xf16> -> !tile.async<tensor<64x64xf32, #tile.mma<warps = 4>>>
  %1 = tile.wait %0 : !tile.async<tensor<64x64xf32, #tile.mma<warps = 4>>>
  tile.return
}

// -----

tile.kernel @f(%bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  %s = tile.alloc : !tile.shared<64x64xf16>
  // expected-error @+1 {{an unfinished tile, '!tile.async<tensor<64x64xf32, #tile.mma<warps = 4>>>', reaches no tile.wait}}
  %0 = tile.mma_async %s, %s : !tile.shared<64x64xf16>, !tile.shared<64x64xf16> -> !tile.async<tensor<64x64xf32, #tile.mma<warps = 4>>>
  tile.return
}

// -----

// The accumulator of one product and the operand of a wait.
tile.kernel @f(%bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  %s = tile.alloc : !tile.shared<64x64xf16>
  // expected-error @+1 {{must go to one tile.wait or tile.mma_async, but has more than one use}}
  %0 = tile.mma_async %s, %s : !tile.shared<64x64xf16>, !tile.shared<64x64xf16> -> !tile.async<tensor<64x64xf32, #tile.mma<warps = 4>>>
  %1 = tile.mma_async %s, %s acc(%0 : !tile.async<tensor<64x64xf32, #tile.mma<warps = 4>>>) : !tile.shared<64x64xf16>, !tile.shared<64x64xf16> -> !tile.async<tensor<64x64xf32, #tile.mma<warps = 4>>>
  %2:2 = tile.wait %0, %1 : !tile.async<tensor<64x64xf32, #tile.mma<warps = 4>>>, !tile.async<tensor<64x64xf32, #tile.mma<warps = 4>>>
  tile.return
}

// -----

tile.kernel @f(%c: i1, %bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  %s = tile.alloc : !tile.shared<64x64xf16>
  %0 = tile.mma_async %s, %s : !tile.shared<64x64xf16>, !tile.shared<64x64xf16> -> !tile.async<tensor<64x64xf32, #tile.mma<warps = 4>>>
  // expected-error @+1 {{'arith.select' op cannot read an unfinished tile: only tile.wait makes it readable}}
  %1 = arith.select %c, %0, %0 : !tile.async<tensor<64x64xf32, #tile.mma<warps = 4>>>
  tile.return
}

// -----

tile.kernel @f(%bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  %s = tile.alloc : !tile.shared<64x64xf16>
  // expected-note @+1 {{it starts here}}
  %0 = tile.mma_async %s, %s : !tile.shared<64x64xf16>, !tile.shared<64x64xf16> -> !tile.async<tensor<64x64xf32, #tile.mma<warps = 4>>>
  // expected-error @+1 {{'tile.wait' op lets 1 products run, so this one may not have finished: only 0 start after it}}
  %1 = tile.wait %0 pending 1 : !tile.async<tensor<64x64xf32, #tile.mma<warps = 4>>>
  tile.return
}

// -----

tile.kernel @f(%q: memref<?x64xf16>, %bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  %r = tile.make_ring : !tile.ring<1 x 64x64xf16>
  tile.put %r[%bx], %q[%bx, %by] : !tile.ring<1 x 64x64xf16>, memref<?x64xf16>
  %s = tile.get %r[%bx] : !tile.ring<1 x 64x64xf16>
  // expected-note @+1 {{which no tile.wait between the two retires}}
  %0 = tile.mma_async %s, %s : !tile.shared<64x64xf16>, !tile.shared<64x64xf16> -> !tile.async<tensor<64x64xf32, #tile.mma<warps = 4>>>
  // expected-error @+1 {{'tile.release' op gives back a stage that an unfinished product reads}}
  tile.release %r[%bx] : !tile.ring<1 x 64x64xf16>
  %1 = tile.wait %0 : !tile.async<tensor<64x64xf32, #tile.mma<warps = 4>>>
  tile.return
}

// -----

// A wait that leaves the product running.
tile.kernel @f(%q: memref<?x64xf16>, %bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  %r = tile.make_ring : !tile.ring<1 x 64x64xf16>
  %a = tile.alloc : !tile.shared<64x64xf16>
  tile.put %r[%bx], %q[%bx, %by] : !tile.ring<1 x 64x64xf16>, memref<?x64xf16>
  %s = tile.get %r[%bx] : !tile.ring<1 x 64x64xf16>
  %0 = tile.mma_async %a, %a : !tile.shared<64x64xf16>, !tile.shared<64x64xf16> -> !tile.async<tensor<64x64xf32, #tile.mma<warps = 4>>>
  // expected-note @+1 {{which no tile.wait between the two retires}}
  %1 = tile.mma_async %s, %s : !tile.shared<64x64xf16>, !tile.shared<64x64xf16> -> !tile.async<tensor<64x64xf32, #tile.mma<warps = 4>>>
  %2 = tile.wait %0 pending 1 : !tile.async<tensor<64x64xf32, #tile.mma<warps = 4>>>
  // expected-error @+1 {{'tile.release' op gives back a stage that an unfinished product reads}}
  tile.release %r[%bx] : !tile.ring<1 x 64x64xf16>
  %3 = tile.wait %1 : !tile.async<tensor<64x64xf32, #tile.mma<warps = 4>>>
  tile.return
}

// -----

tile.kernel @f(%bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  // expected-error @+1 {{'tile.wait' op needs an unfinished tile to wait for}}
  "tile.wait"() <{pending = 0 : i64}> : () -> ()
  tile.return
}

// -----

tile.kernel @f(%bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  %s = tile.alloc : !tile.shared<64x64xf32>
  // expected-error @+1 {{'tile.mma_async' op transposes 'a' of 16-bit elements only, but got 'f32'}}
  %0 = tile.mma_async %s, %s transpose_a : !tile.shared<64x64xf32>, !tile.shared<64x64xf32> -> !tile.async<tensor<64x64xf32, #tile.mma<warps = 4>>>
  %1 = tile.wait %0 : !tile.async<tensor<64x64xf32, #tile.mma<warps = 4>>>
  tile.return
}

// -----

tile.kernel @f(%bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  %s = tile.alloc : !tile.shared<128x64xf16>
  %t = tile.alloc : !tile.shared<64x64xf16>
  // expected-error @+1 {{'tile.mma_async' op needs factors with one inner dimension, but it is 128 in '!tile.shared<128x64xf16>' (transposed) and 64 in '!tile.shared<64x64xf16>'}}
  %0 = tile.mma_async %s, %t transpose_a : !tile.shared<128x64xf16>, !tile.shared<64x64xf16> -> !tile.async<tensor<64x64xf32, #tile.mma<warps = 4>>>
  %1 = tile.wait %0 : !tile.async<tensor<64x64xf32, #tile.mma<warps = 4>>>
  tile.return
}

// -----

tile.kernel @f(%bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  %a = arith.constant dense<0.0> : tensor<64x64xbf16, #tile.mma<warps = 4>>
  %s = tile.alloc : !tile.shared<64x64xbf16>
  // expected-error @+1 {{'tile.mma_async' op transposes 'a' in shared memory only, but got 'tensor<64x64xbf16, #tile.mma<warps = 4>>'}}
  %p = tile.mma_async %a, %s transpose_a : tensor<64x64xbf16, #tile.mma<warps = 4>>, !tile.shared<64x64xbf16> -> !tile.async<tensor<64x64xf32, #tile.mma<warps = 4>>>
  tile.return
}
