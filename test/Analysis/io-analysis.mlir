// RUN: seqc-opt %s --seqc-io-analysis="chip=h200 tile-m=64 tile-n=64 json" -o /dev/null | FileCheck %s --check-prefix=JSON
// RUN: seqc-opt %s --seqc-io-analysis="chip=h200 tile-m=64 tile-n=64 assume=B=3,S=500,G=9" -o /dev/null | FileCheck %s --check-prefix=TEXT
// RUN: seqc-opt %s --seqc-io-analysis="chip=x86-64-v4 assume=arg0.0=7" -o /dev/null | FileCheck %s --check-prefix=CPU
// RUN: seqc-opt %s --seqc-io-analysis="chip=h200 tilings" -o /dev/null | FileCheck %s --check-prefix=TILINGS
// RUN: seqc-opt %s --seqc-io-analysis="chip=h200 remarks tile-m=64 tile-n=64" -o /dev/null 2>&1 | FileCheck %s --check-prefix=REMARK
// RUN: seqc-opt %s --seqc-io-analysis="chip=cpu" -o /dev/null | FileCheck %s --check-prefix=HOST
// RUN: not seqc-opt %s --seqc-io-analysis="chip=tpu" 2>&1 | FileCheck %s --check-prefix=CHIP
// RUN: not seqc-opt %s --seqc-io-analysis="assume=Q=3" 2>&1 | FileCheck %s --check-prefix=NAME
// RUN: not seqc-opt %s --seqc-io-analysis="assume=B=x" 2>&1 | FileCheck %s --check-prefix=SIZE
// RUN: not seqc-opt %s --seqc-io-analysis="tile-m=-1" 2>&1 | FileCheck %s --check-prefix=NEGATIVE

// CHIP: error: unknown chip 'tpu': known chips are h200, a100, cpu
// NAME: error: assumption 'Q=3' names 'Q', which is none of B, H, Hkv, S,
// SIZE: error: assumption 'B=x' must be NAME=SIZE with a size of at least 0
// NEGATIVE: error: option 'tile-m' must be from 0 to 4096, but is -1

// HOST: chip cpu: this CPU
// HOST: function @causal
// TEXT: assumed: B=3 (given), S=500 (given), G=9 (given, not used)
// CPU: assumed: S=2048 (default), arg0.0=7 (given)

// Two heads of 128 x 128 scores in 64 x 64 tiles. Of 4 tiles per head the causal
// mask leaves 3, and 1 of them whole: 2 * 3 * 4096 pairs.
//   matrix FLOPs  2 * pairs * (32 + 32)               = 3145728
//   exps          pairs + a rescale per row and tile  = 24576 + 2 * 3 * 64 = 24960
//   HBM           4 tensors of 2 * 128 * 32 * 4 bytes = 4 * 32768
//   L2            Q once, K and V once per tile row   = 32768 + 2 * 192 * 64 * 4
//   tile          4 * 64 * 32 * 4 + 64 * 64 * 4 + 2 * 64 * 4 = 49664
// Unfused, with 131072 bytes of scores: written, masked, softmaxed, read.
// JSON-LABEL: "name": "causal"
// JSON:         "cache": {
// JSON-NEXT:      "read": 131072,
// JSON-NEXT:      "written": 32768
// JSON:         "dram": {
// JSON-NEXT:      "read": 98304,
// JSON-NEXT:      "written": 32768
// JSON:         "exps": 24960
// JSON:         "full_tiles": 2
// JSON:         "matrix_flops": 3145728
// JSON:         "tile_bytes": 49664
// JSON-NEXT:    "tiles": 6
// JSON:         "total_pairs": 32768
// JSON:         "unfused": {
// JSON:           "dram": {
// JSON-NEXT:        "read": 491520,
// JSON-NEXT:        "written": 425984
// JSON:           "exps": 32768
// JSON:           "matrix_flops": 4194304
// JSON:         "visible_pairs": 16512
// TEXT-LABEL: function @causal
// TEXT: 1 seqc.attention fused 64x64 98.3 kB 32.8 kB 164 kB {{.*}} 48.5 KiB
// TEXT: unfused 492 kB 426 kB
// TEXT: seqc.attention: B=1 Hq=2 Hkv=2 Sq=128 Sk=128 D=32 f32 causal, 50.4% of the scores visible, 6 tiles visited, 2 of them full
// REMARK: remark: @causal: seqc.attention ({{.*}}) moves 131072 bytes, unfused 917504; limit launch
// TILINGS-LABEL: function @causal
// TILINGS: seqc.attention fused 64x64
// TILINGS: fused 64x32
// TILINGS: fused 128x64
// TILINGS: unfused
func.func @causal(%q: tensor<1x2x128x32xf32>, %k: tensor<1x2x128x32xf32>,
                  %v: tensor<1x2x128x32xf32>) -> tensor<1x2x128x32xf32> {
  %o = seqc.attention query(%q) key(%k) value(%v) causal
    : (tensor<1x2x128x32xf32>, tensor<1x2x128x32xf32>, tensor<1x2x128x32xf32>)
    -> tensor<1x2x128x32xf32>
  return %o : tensor<1x2x128x32xf32>
}

// A window of 64 keys to the left, 256 queries and keys: query tile t sees key
// tiles t - 1 and t, and none of them whole: 7 tiles; 64 * 65 / 2 + 192 * 65
// visible pairs.
// JSON-LABEL: "name": "window"
// JSON: "full_tiles": 0
// JSON: "tiles": 7
// JSON: "visible_pairs": 14560
func.func @window(%q: tensor<1x1x256x32xf32>) -> tensor<1x1x256x32xf32> {
  %o = seqc.attention query(%q) key(%q) value(%q) causal window_left(64)
    : (tensor<1x1x256x32xf32>, tensor<1x1x256x32xf32>, tensor<1x1x256x32xf32>)
    -> tensor<1x1x256x32xf32>
  return %o : tensor<1x1x256x32xf32>
}

// E = 2 * 32 * 64 elements, S = 16 E states.
//   exps   S + E (softplus) + E (gate)                           = 73728
//   special functions: one more per softplus and per gate        = 81920
//   FLOPs  6 S + 3 E (time step) + 2 E (D) + 3 E (gate)          = 425984
//   HBM    3 * 4 E + B and C 2 * 8192 + A 2048 + D, bias 2 * 128 = 67840
// Unfused, three tensors of 4 S bytes are written and read again.
// JSON-LABEL: "name": "scan"
// JSON:         "dram": {
// JSON-NEXT:      "read": 67840,
// JSON-NEXT:      "written": 16384
// JSON:         "exps": 73728
// JSON:         "flops": 425984
// JSON:         "special_functions": 81920
// JSON:         "unfused": {
// JSON:           "dram": {
// JSON-NEXT:        "read": 936192,
// JSON-NEXT:        "written": 851968
// JSON:           "exps": 73728
func.func @scan(%u: tensor<2x32x64xf32>, %dt: tensor<2x32x64xf32>,
                %A: tensor<32x16xf32>, %B: tensor<2x16x64xf32>,
                %C: tensor<2x16x64xf32>, %D: tensor<32xf32>,
                %z: tensor<2x32x64xf32>, %bias: tensor<32xf32>)
    -> tensor<2x32x64xf32> {
  %y = seqc.selective_scan u(%u) delta(%dt) A(%A) B(%B) C(%C) D(%D) z(%z)
      delta_bias(%bias) delta_softplus
    : (tensor<2x32x64xf32>, tensor<2x32x64xf32>, tensor<32x16xf32>,
       tensor<2x16x64xf32>, tensor<2x16x64xf32>, tensor<32xf32>,
       tensor<2x32x64xf32>, tensor<32xf32>) -> tensor<2x32x64xf32>
  return %y : tensor<2x32x64xf32>
}

// E = 2 * 8 * 64: 2 * 4 * E for the window, 2 E for the gate.
// JSON-LABEL: "name": "conv"
// JSON:         "dram": {
// JSON-NEXT:      "read": 4224,
// JSON-NEXT:      "written": 4096
// JSON:         "exps": 1024
// JSON:         "flops": 10240
func.func @conv(%x: tensor<2x8x64xf32>, %w: tensor<8x4xf32>)
    -> tensor<2x8x64xf32> {
  %y = seqc.causal_conv1d x(%x) weight(%w) activation(silu)
    : (tensor<2x8x64xf32>, tensor<8x4xf32>) -> tensor<2x8x64xf32>
  return %y : tensor<2x8x64xf32>
}

// The backward reads x and the gradient of the output, 4096 bytes each, and the
// 128 of the weights, and writes as many for x and the weights. 3 * 2 * 4 * E: the
// window again, turned round, and for the weights; 6 E for the gate.
// JSON-LABEL: "name": "conv_backward"
// JSON:         "dram": {
// JSON-NEXT:      "read": 8320,
// JSON-NEXT:      "written": 4224
// JSON:         "exps": 1024
// JSON:         "flops": 30720
func.func @conv_backward(%x: tensor<2x8x64xf32>, %w: tensor<8x4xf32>)
    -> (tensor<2x8x64xf32>, tensor<8x4xf32>) {
  %dx, %dw = seqc.causal_conv1d_backward x(%x) weight(%w) out_grad(%x)
      activation(silu)
    : (tensor<2x8x64xf32>, tensor<8x4xf32>, tensor<2x8x64xf32>)
    -> (tensor<2x8x64xf32>, tensor<8x4xf32>)
  return %dx, %dw : tensor<2x8x64xf32>, tensor<8x4xf32>
}

// Sizes travel through the graph: S reaches the projection from the attention.
// The mask region is causal: of 8 x 8 tiles 36 hold something, 28 are full.
// The loop runs its product four times.
// TEXT-LABEL: function @graph
// TEXT: 1 linalg.matmul
// TEXT: 2 linalg.transpose
// TEXT: 3 math.exp
// TEXT: 4 seqc.attention fused 64x64
// TEXT: 5 linalg.matmul x4
// TEXT: linalg.matmul: 1500x512xf32
// TEXT: linalg.transpose: 3x8x500x64xf32
// TEXT: seqc.attention: B=3 Hq=8 Hkv=2 Sq=500 Sk=500 D=64 f32 mask, {{.*}} 864 tiles visited, 672 of them full
// TEXT: note: the mask region is counted by whole tiles
// CPU: linalg.matmul: 14336x512xf32
// CPU: seqc.attention: B=7 Hq=8 Hkv=2 Sq=2048 Sk=2048 D=64 f32 mask
func.func @graph(%x: tensor<?x?x512xf32>, %w: tensor<512x512xf32>,
                 %k: tensor<?x2x?x64xf32>)
    -> (tensor<?x8x?x64xf32>, tensor<512x512xf32>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c4 = arith.constant 4 : index
  %zero = arith.constant 0.0 : f32
  %b = tensor.dim %x, %c0 : tensor<?x?x512xf32>
  %s = tensor.dim %x, %c1 : tensor<?x?x512xf32>
  %bs = arith.muli %b, %s : index
  %flat = tensor.collapse_shape %x [[0, 1], [2]]
    : tensor<?x?x512xf32> into tensor<?x512xf32>
  %e = tensor.empty(%bs) : tensor<?x512xf32>
  %f = linalg.fill ins(%zero : f32) outs(%e : tensor<?x512xf32>)
    -> tensor<?x512xf32>
  %p = linalg.matmul ins(%flat, %w : tensor<?x512xf32>, tensor<512x512xf32>)
    outs(%f : tensor<?x512xf32>) -> tensor<?x512xf32>
  %p4 = tensor.expand_shape %p [[0, 1], [2, 3]] output_shape [%b, %s, 8, 64]
    : tensor<?x512xf32> into tensor<?x?x8x64xf32>
  %e2 = tensor.empty(%b, %s) : tensor<?x8x?x64xf32>
  %q = linalg.transpose ins(%p4 : tensor<?x?x8x64xf32>)
    outs(%e2 : tensor<?x8x?x64xf32>) permutation = [0, 2, 1, 3]
  %qe = math.exp %q : tensor<?x8x?x64xf32>
  %o = seqc.attention query(%qe) key(%k) value(%k)
    mask {
    ^bb0(%bb: index, %hh: index, %i: index, %j: index):
      %keep = arith.cmpi sle, %j, %i : index
      seqc.yield %keep : i1
    } : (tensor<?x8x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32>)
    -> tensor<?x8x?x64xf32>
  %e3 = tensor.empty() : tensor<512x512xf32>
  %ww = scf.for %i = %c0 to %c4 step %c1 iter_args(%acc = %e3)
      -> tensor<512x512xf32> {
    %m = linalg.matmul ins(%w, %w : tensor<512x512xf32>, tensor<512x512xf32>)
      outs(%acc : tensor<512x512xf32>) -> tensor<512x512xf32>
    scf.yield %m : tensor<512x512xf32>
  }
  return %o, %ww : tensor<?x8x?x64xf32>, tensor<512x512xf32>
}

// A matrix product: 2 * 8 * 16 * 32 FLOPs, its operands read and its result
// written once; the fill is the product's start and moves nothing.
// JSON-LABEL: "name": "matmul"
// JSON:         "dram": {
// JSON-NEXT:      "read": 2560,
// JSON-NEXT:      "written": 1024
// JSON:         "matrix_flops": 8192
func.func @matmul(%a: tensor<8x16xf32>, %b: tensor<16x32xf32>)
    -> tensor<8x32xf32> {
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<8x32xf32>
  %f = linalg.fill ins(%zero : f32) outs(%e : tensor<8x32xf32>)
    -> tensor<8x32xf32>
  %p = linalg.matmul ins(%a, %b : tensor<8x16xf32>, tensor<16x32xf32>)
    outs(%f : tensor<8x32xf32>) -> tensor<8x32xf32>
  return %p : tensor<8x32xf32>
}

// An empty sequence.
// TEXT-LABEL: function @empty
// TEXT: note: empty: nothing to compute
func.func @empty(%q: tensor<1x2x0x32xf32>, %k: tensor<1x2x8x32xf32>)
    -> tensor<1x2x0x32xf32> {
  %o = seqc.attention query(%q) key(%k) value(%k)
    : (tensor<1x2x0x32xf32>, tensor<1x2x8x32xf32>, tensor<1x2x8x32xf32>)
    -> tensor<1x2x0x32xf32>
  return %o : tensor<1x2x0x32xf32>
}
