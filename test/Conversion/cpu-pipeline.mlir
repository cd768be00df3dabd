// RUN: seqc-opt %s --seqc-to-cpu | FileCheck %s
// RUN: seqc-opt %s --seqc-to-cpu="vector-bits=256" | FileCheck %s --check-prefix=AVX2
// RUN: seqc-opt %s --seqc-to-cpu="tile-m=8 tile-n=32 splits=2" | FileCheck %s --check-prefix=SPLIT
// RUN: seqc-opt %s --seqc-to-cpu -o %t.1.mlir
// RUN: seqc-opt %s --seqc-to-cpu -o %t.2.mlir
// RUN: diff %t.1.mlir %t.2.mlir
// RUN: seqc-opt %s --seqc-to-cpu | mlir-translate --mlir-to-llvmir | FileCheck %s --check-prefix=LLVM
// RUN: not seqc-opt %s --seqc-to-cpu="tile=8" 2>&1 | FileCheck %s --check-prefix=OPTION

// OPTION: no such option tile

// The whole way leaves the LLVM dialect and OpenMP, and nothing else: no tensor,
// no buffer, no vector operator, no cast between them.
// CHECK-NOT: {{(seqc|linalg|tensor|memref|scf|vector|arith|math|affine|cf|func|bufferization|builtin)\.[a-z]}}
// CHECK-NOT: unrealized_conversion_cast

// Attention: one team whose threads share the tiles; rows of the blocks take two registers; the
// scores of a tile, and no score matrix, are in memory.
// CHECK-LABEL: llvm.func @attention(
// CHECK: omp.parallel
// CHECK: llvm.alloca {{.*}} x f32
// CHECK: omp.wsloop
// CHECK: omp.loop_nest
// CHECK: llvm.intr.fmuladd({{.*}}) : (vector<32xf32>
// CHECK: omp.terminator
// CHECK-NOT: omp.parallel
// The C interface takes descriptors by pointer, the result first.
// CHECK: llvm.func @_mlir_ciface_attention(%{{.*}}: !llvm.ptr, %{{.*}}: !llvm.ptr, %{{.*}}: !llvm.ptr) attributes {llvm.emit_c_interface}
//
// AVX2-LABEL: llvm.func @attention(
// AVX2: llvm.intr.fmuladd({{.*}}) : (vector<16xf32>
// AVX2: llvm.func @_mlir_ciface_attention
//
// Split: the parts, then the merge, then the finish.
// SPLIT-LABEL: llvm.func @attention(
// SPLIT: omp.parallel
// SPLIT: omp.parallel
// SPLIT: llvm.func @_mlir_ciface_attention
//
// LLVM-LABEL: define {{.*}} @attention(
// LLVM: define void @_mlir_ciface_attention(
func.func @attention(%q: tensor<1x8x?x64xf32>, %k: tensor<1x2x?x64xf32>)
    -> tensor<1x8x?x64xf32> {
  %out = seqc.attention query(%q) key(%k) value(%k) causal
      : (tensor<1x8x?x64xf32>, tensor<1x2x?x64xf32>, tensor<1x2x?x64xf32>)
      -> tensor<1x8x?x64xf32>
  return %out : tensor<1x8x?x64xf32>
}

// CHECK: llvm.func @scan(
// CHECK: omp.parallel
// CHECK: llvm.func @_mlir_ciface_scan(
// LLVM: define void @_mlir_ciface_scan(
func.func @scan(%u: tensor<?x64x?xf16>, %A: tensor<64x16xf32>,
                %B: tensor<?x16x?xf16>, %h: tensor<?x64x16xf32>)
    -> (tensor<?x64x?xf16>, tensor<?x64x16xf32>) {
  %y, %last = seqc.selective_scan u(%u) delta(%u) A(%A) B(%B) C(%B)
      initial_state(%h) delta_softplus
    : (tensor<?x64x?xf16>, tensor<?x64x?xf16>, tensor<64x16xf32>,
       tensor<?x16x?xf16>, tensor<?x16x?xf16>, tensor<?x64x16xf32>)
    -> (tensor<?x64x?xf16>, tensor<?x64x16xf32>)
  return %y, %last : tensor<?x64x?xf16>, tensor<?x64x16xf32>
}

// CHECK: llvm.func @conv(
// CHECK: omp.parallel
// CHECK: llvm.func @_mlir_ciface_conv(
// LLVM: define void @_mlir_ciface_conv(
func.func @conv(%x: tensor<?x64x?xf32>, %w: tensor<64x4xf32>)
    -> tensor<?x64x?xf32> {
  %y = seqc.causal_conv1d x(%x) weight(%w) activation(silu)
    : (tensor<?x64x?xf32>, tensor<64x4xf32>) -> tensor<?x64x?xf32>
  return %y : tensor<?x64x?xf32>
}

// The graph around them: a product and an elementwise operator over the cores.
// CHECK: llvm.func @graph(
// CHECK: omp.parallel
// CHECK: llvm.intr.fmuladd
// CHECK: llvm.func @_mlir_ciface_graph(
// LLVM: define void @_mlir_ciface_graph(
func.func @graph(%a: tensor<?x64xf32>, %b: tensor<64x256xf32>,
                 %c: tensor<?x256xf32>) -> tensor<?x256xf32> {
  %0 = linalg.matmul ins(%a, %b : tensor<?x64xf32>, tensor<64x256xf32>)
      outs(%c : tensor<?x256xf32>) -> tensor<?x256xf32>
  %1 = arith.addf %0, %c : tensor<?x256xf32>
  return %1 : tensor<?x256xf32>
}
