// RUN: seqc-opt %s --seqc-schedule="chip=a100" | FileCheck %s --check-prefix=A100
// RUN: seqc-opt %s --seqc-schedule="chip=h200" | FileCheck %s --check-prefix=H200
// RUN: not seqc-opt %s --seqc-schedule="chip=h200 tile-m=40 warps=4" 2>&1 | FileCheck %s --check-prefix=ROWS
// RUN: not seqc-opt %s --seqc-schedule="chip=h200 tile-m=128 tile-n=40" 2>&1 | FileCheck %s --check-prefix=COLUMNS
// RUN: not seqc-opt %s --seqc-schedule="chip=a100 tile-m=128 tile-n=128 stages=4" 2>&1 | FileCheck %s --check-prefix=SHARED

// ROWS: error: 'seqc.block_attention_backward' op cannot be tiled on {{.*}}: tile_m is 40, expected a multiple of 64 (16 for each of 4 warps)
// COLUMNS: error: 'seqc.block_attention_backward' op cannot be tiled on {{.*}}: tile_n is 40, expected a multiple of 16
// SHARED: error: 'seqc.block_attention_backward' op cannot be tiled on {{.*}}: tiles of 128 x 128 in 4 stages take 328704 bytes of shared memory, more than

// Each kernel of the backward has its own tiles: rows are queries for
// query_grad, and keys for the others.
// A100-LABEL: @queries_64
// A100: #seqc.schedule<tile_m = 128, tile_n = 32, splits = 1, stages = 2, warps = 4>
// H200-LABEL: @queries_64
// H200: #seqc.schedule<tile_m = 192, tile_n = 80, splits = 1, stages = 2, warps = 12>
func.func @queries_64(%q: tensor<1x4x?x64xbf16>, %rows: tensor<1x4x?xf32>)
    -> tensor<1x4x?x64xf32> {
  %c0 = arith.constant 0 : index
  %c2 = arith.constant 2 : index
  %zero = arith.constant 0.0 : f32
  %n = tensor.dim %q, %c2 : tensor<1x4x?x64xbf16>
  %e = tensor.empty(%n) : tensor<1x4x?x64xf32>
  %z = linalg.fill ins(%zero : f32) outs(%e : tensor<1x4x?x64xf32>) -> tensor<1x4x?x64xf32>
  %0 = seqc.block_attention_backward query(%q) key(%q) value(%q)
      out_grad(%q) lse(%rows) delta(%rows)
      offsets(%c0, %c0, %c0, %c0) lengths(%n, %n) outs(query_grad %z)
      scale(0.125)
    : (tensor<1x4x?x64xbf16>, tensor<1x4x?x64xbf16>, tensor<1x4x?x64xbf16>,
       tensor<1x4x?x64xbf16>, tensor<1x4x?xf32>, tensor<1x4x?xf32>,
       index, index, index, index, index, index, tensor<1x4x?x64xf32>)
    -> tensor<1x4x?x64xf32>
  return %0 : tensor<1x4x?x64xf32>
}

// A100-LABEL: @keys_64
// A100: #seqc.schedule<tile_m = 32, tile_n = 128, splits = 1, stages = 2, warps = 4>
// H200-LABEL: @keys_64
// H200: #seqc.schedule<tile_m = 80, tile_n = 128, splits = 1, stages = 2, warps = 8>
func.func @keys_64(%q: tensor<1x4x?x64xbf16>, %rows: tensor<1x4x?xf32>)
    -> (tensor<1x4x?x64xf32>, tensor<1x4x?x64xf32>) {
  %c0 = arith.constant 0 : index
  %c2 = arith.constant 2 : index
  %zero = arith.constant 0.0 : f32
  %n = tensor.dim %q, %c2 : tensor<1x4x?x64xbf16>
  %e = tensor.empty(%n) : tensor<1x4x?x64xf32>
  %z = linalg.fill ins(%zero : f32) outs(%e : tensor<1x4x?x64xf32>) -> tensor<1x4x?x64xf32>
  %0:2 = seqc.block_attention_backward query(%q) key(%q) value(%q)
      out_grad(%q) lse(%rows) delta(%rows)
      offsets(%c0, %c0, %c0, %c0) lengths(%n, %n) outs(key_grad %z, value_grad %z)
      scale(0.125)
    : (tensor<1x4x?x64xbf16>, tensor<1x4x?x64xbf16>, tensor<1x4x?x64xbf16>,
       tensor<1x4x?x64xbf16>, tensor<1x4x?xf32>, tensor<1x4x?xf32>,
       index, index, index, index, index, index, tensor<1x4x?x64xf32>, tensor<1x4x?x64xf32>)
    -> (tensor<1x4x?x64xf32>, tensor<1x4x?x64xf32>)
  return %0#0, %0#1 : tensor<1x4x?x64xf32>, tensor<1x4x?x64xf32>
}

// A100-LABEL: @queries_128
// A100: #seqc.schedule<tile_m = 128, tile_n = 32, splits = 1, stages = 2, warps = 4>
// H200-LABEL: @queries_128
// H200: #seqc.schedule<tile_m = 128, tile_n = 64, splits = 1, stages = 2, warps = 8>
func.func @queries_128(%q: tensor<1x4x?x128xbf16>, %rows: tensor<1x4x?xf32>)
    -> tensor<1x4x?x128xf32> {
  %c0 = arith.constant 0 : index
  %c2 = arith.constant 2 : index
  %zero = arith.constant 0.0 : f32
  %n = tensor.dim %q, %c2 : tensor<1x4x?x128xbf16>
  %e = tensor.empty(%n) : tensor<1x4x?x128xf32>
  %z = linalg.fill ins(%zero : f32) outs(%e : tensor<1x4x?x128xf32>) -> tensor<1x4x?x128xf32>
  %0 = seqc.block_attention_backward query(%q) key(%q) value(%q)
      out_grad(%q) lse(%rows) delta(%rows)
      offsets(%c0, %c0, %c0, %c0) lengths(%n, %n) outs(query_grad %z)
      scale(0.125)
    : (tensor<1x4x?x128xbf16>, tensor<1x4x?x128xbf16>, tensor<1x4x?x128xbf16>,
       tensor<1x4x?x128xbf16>, tensor<1x4x?xf32>, tensor<1x4x?xf32>,
       index, index, index, index, index, index, tensor<1x4x?x128xf32>)
    -> tensor<1x4x?x128xf32>
  return %0 : tensor<1x4x?x128xf32>
}

// A100-LABEL: @keys_128
// A100: #seqc.schedule<tile_m = 64, tile_n = 64, splits = 1, stages = 1, warps = 4>
// H200-LABEL: @keys_128
// H200: #seqc.schedule<tile_m = 48, tile_n = 128, splits = 1, stages = 2, warps = 8>
func.func @keys_128(%q: tensor<1x4x?x128xbf16>, %rows: tensor<1x4x?xf32>)
    -> (tensor<1x4x?x128xf32>, tensor<1x4x?x128xf32>) {
  %c0 = arith.constant 0 : index
  %c2 = arith.constant 2 : index
  %zero = arith.constant 0.0 : f32
  %n = tensor.dim %q, %c2 : tensor<1x4x?x128xbf16>
  %e = tensor.empty(%n) : tensor<1x4x?x128xf32>
  %z = linalg.fill ins(%zero : f32) outs(%e : tensor<1x4x?x128xf32>) -> tensor<1x4x?x128xf32>
  %0:2 = seqc.block_attention_backward query(%q) key(%q) value(%q)
      out_grad(%q) lse(%rows) delta(%rows)
      offsets(%c0, %c0, %c0, %c0) lengths(%n, %n) outs(key_grad %z, value_grad %z)
      scale(0.125)
    : (tensor<1x4x?x128xbf16>, tensor<1x4x?x128xbf16>, tensor<1x4x?x128xbf16>,
       tensor<1x4x?x128xbf16>, tensor<1x4x?xf32>, tensor<1x4x?xf32>,
       index, index, index, index, index, index, tensor<1x4x?x128xf32>, tensor<1x4x?x128xf32>)
    -> (tensor<1x4x?x128xf32>, tensor<1x4x?x128xf32>)
  return %0#0, %0#1 : tensor<1x4x?x128xf32>, tensor<1x4x?x128xf32>
}

// A100-LABEL: @queries_256
// A100: #seqc.schedule<tile_m = 64, tile_n = 32, splits = 1, stages = 1, warps = 4>
// H200-LABEL: @queries_256
// H200: #seqc.schedule<tile_m = 128, tile_n = 48, splits = 1, stages = 1, warps = 8>
func.func @queries_256(%q: tensor<1x4x?x256xbf16>, %rows: tensor<1x4x?xf32>)
    -> tensor<1x4x?x256xf32> {
  %c0 = arith.constant 0 : index
  %c2 = arith.constant 2 : index
  %zero = arith.constant 0.0 : f32
  %n = tensor.dim %q, %c2 : tensor<1x4x?x256xbf16>
  %e = tensor.empty(%n) : tensor<1x4x?x256xf32>
  %z = linalg.fill ins(%zero : f32) outs(%e : tensor<1x4x?x256xf32>) -> tensor<1x4x?x256xf32>
  %0 = seqc.block_attention_backward query(%q) key(%q) value(%q)
      out_grad(%q) lse(%rows) delta(%rows)
      offsets(%c0, %c0, %c0, %c0) lengths(%n, %n) outs(query_grad %z)
      scale(0.125)
    : (tensor<1x4x?x256xbf16>, tensor<1x4x?x256xbf16>, tensor<1x4x?x256xbf16>,
       tensor<1x4x?x256xbf16>, tensor<1x4x?xf32>, tensor<1x4x?xf32>,
       index, index, index, index, index, index, tensor<1x4x?x256xf32>)
    -> tensor<1x4x?x256xf32>
  return %0 : tensor<1x4x?x256xf32>
}

// A100-LABEL: @keys_256
// A100: #seqc.schedule<tile_m = 32, tile_n = 64, splits = 1, stages = 1, warps = 4>
// H200-LABEL: @keys_256
// H200: #seqc.schedule<tile_m = 32, tile_n = 64, splits = 1, stages = 1, warps = 4>
func.func @keys_256(%q: tensor<1x4x?x256xbf16>, %rows: tensor<1x4x?xf32>)
    -> (tensor<1x4x?x256xf32>, tensor<1x4x?x256xf32>) {
  %c0 = arith.constant 0 : index
  %c2 = arith.constant 2 : index
  %zero = arith.constant 0.0 : f32
  %n = tensor.dim %q, %c2 : tensor<1x4x?x256xbf16>
  %e = tensor.empty(%n) : tensor<1x4x?x256xf32>
  %z = linalg.fill ins(%zero : f32) outs(%e : tensor<1x4x?x256xf32>) -> tensor<1x4x?x256xf32>
  %0:2 = seqc.block_attention_backward query(%q) key(%q) value(%q)
      out_grad(%q) lse(%rows) delta(%rows)
      offsets(%c0, %c0, %c0, %c0) lengths(%n, %n) outs(key_grad %z, value_grad %z)
      scale(0.125)
    : (tensor<1x4x?x256xbf16>, tensor<1x4x?x256xbf16>, tensor<1x4x?x256xbf16>,
       tensor<1x4x?x256xbf16>, tensor<1x4x?xf32>, tensor<1x4x?xf32>,
       index, index, index, index, index, index, tensor<1x4x?x256xf32>, tensor<1x4x?x256xf32>)
    -> (tensor<1x4x?x256xf32>, tensor<1x4x?x256xf32>)
  return %0#0, %0#1 : tensor<1x4x?x256xf32>, tensor<1x4x?x256xf32>
}

// All three gradients of a block of keys: dS^T goes through shared memory
// besides, so a tile of queries is not as long as it could be otherwise.
// A100-LABEL: @together_128
// A100: #seqc.schedule<tile_m = 64, tile_n = 128, splits = 1, stages = 1, warps = 8>
// H200-LABEL: @together_128
// H200: #seqc.schedule<tile_m = 64, tile_n = 128, splits = 1, stages = 2, warps = 8>
func.func @together_128(%q: tensor<1x4x?x128xbf16>, %rows: tensor<1x4x?xf32>)
    -> (tensor<1x4x?x128xf32>, tensor<1x4x?x128xf32>, tensor<1x4x?x128xf32>) {
  %c0 = arith.constant 0 : index
  %c2 = arith.constant 2 : index
  %zero = arith.constant 0.0 : f32
  %n = tensor.dim %q, %c2 : tensor<1x4x?x128xbf16>
  %e = tensor.empty(%n) : tensor<1x4x?x128xf32>
  %z = linalg.fill ins(%zero : f32) outs(%e : tensor<1x4x?x128xf32>) -> tensor<1x4x?x128xf32>
  %0:3 = seqc.block_attention_backward query(%q) key(%q) value(%q)
      out_grad(%q) lse(%rows) delta(%rows)
      offsets(%c0, %c0, %c0, %c0) lengths(%n, %n)
      outs(query_grad %z, key_grad %z, value_grad %z) scale(0.125)
    : (tensor<1x4x?x128xbf16>, tensor<1x4x?x128xbf16>, tensor<1x4x?x128xbf16>,
       tensor<1x4x?x128xbf16>, tensor<1x4x?xf32>, tensor<1x4x?xf32>,
       index, index, index, index, index, index, tensor<1x4x?x128xf32>, tensor<1x4x?x128xf32>, tensor<1x4x?x128xf32>)
    -> (tensor<1x4x?x128xf32>, tensor<1x4x?x128xf32>, tensor<1x4x?x128xf32>)
  return %0#0, %0#1, %0#2 : tensor<1x4x?x128xf32>, tensor<1x4x?x128xf32>, tensor<1x4x?x128xf32>
}
