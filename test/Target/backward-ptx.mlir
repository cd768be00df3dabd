// The backward of scans, convolutions and attention, from the operators to what ptxas makes of them, with sizes that the call brings:
// spills and local memory are errors, and rows of steps move 16 bytes at a time.

// REQUIRES: ptxas
// RUN: seqc-opt %s --split-input-file --seqc-to-ptx=chip=sm_80 --seqc-serialize-ptx="chip=sm_80 perf-errors=true print=ptx" -o /dev/null | FileCheck %s --check-prefixes=CHECK,SM80
// RUN: seqc-opt %s --split-input-file --seqc-to-ptx=chip=sm_90a --seqc-serialize-ptx="chip=sm_90a perf-errors=true print=ptx" -o /dev/null | FileCheck %s --check-prefixes=CHECK,SM90
// RUN: seqc-opt %s --split-input-file --seqc-to-ptx=chip=sm_90a --seqc-serialize-ptx="chip=sm_90a perf-errors=true print=ptx" -o /dev/null | FileCheck %s --check-prefix=EXPONENTIALS

// Two kernels: the state before each chunk, and the gradients, whose sums over channels meet in shared memory. Kernels for the sums of
// what blocks have follow.
// CHECK-LABEL: .visible .entry scan_0(
// CHECK: .minnctapersm 4
// CHECK: ex2.approx.ftz.f32
// CHECK: st.global{{.*}}.v4
// CHECK-LABEL: .visible .entry scan_1(
// CHECK: .reqntid 128
// CHECK: ex2.approx.ftz.f32
// CHECK: shfl.sync.bfly
// CHECK: bar.sync
// CHECK-LABEL: .visible .entry scan_2(
func.func @scan(%u: tensor<?x?x?xbf16>, %A: tensor<?x16xf32>, %B: tensor<?x16x?xbf16>, %C: tensor<?x16x?xbf16>, %g: tensor<?x?x?xbf16>)
    -> (tensor<?x?x?xbf16>, tensor<?x?x?xbf16>, tensor<?x16xf32>, tensor<?x16x?xbf16>, tensor<?x16x?xbf16>) {
  %0:5 = seqc.selective_scan_backward u(%u) delta(%u) A(%A) B(%B) C(%C) out_grad(%g) delta_softplus
    : (tensor<?x?x?xbf16>, tensor<?x?x?xbf16>, tensor<?x16xf32>, tensor<?x16x?xbf16>, tensor<?x16x?xbf16>, tensor<?x?x?xbf16>)
    -> (tensor<?x?x?xbf16>, tensor<?x?x?xbf16>, tensor<?x16xf32>, tensor<?x16x?xbf16>, tensor<?x16x?xbf16>)
  return %0#0, %0#1, %0#2, %0#3, %0#4 : tensor<?x?x?xbf16>, tensor<?x?x?xbf16>, tensor<?x16xf32>, tensor<?x16x?xbf16>, tensor<?x16x?xbf16>
}

// -----

// One kernel. A thread has 8 steps of a channel and computes the gradient of 3 more behind them, so there are 11 exponentials for one
// write of 8 steps in the loop over inner chunks and as many in those over others, which move 16 bytes at a time as well or else single
// steps; registers for five blocks.
// CHECK-LABEL: .visible .entry conv_0(
// CHECK: .minnctapersm 5
// CHECK-COUNT-5: ld.global.v4.b32
// CHECK: st.global.v4.b32
// CHECK-COUNT-5: ld.global.v4.b32
// CHECK: st.global.v4.b32
// CHECK-LABEL: .visible .entry conv_1(
// EXPONENTIALS: .visible .entry conv_0(
// EXPONENTIALS-COUNT-33: ex2.approx.ftz.f32
// EXPONENTIALS-NOT: ex2
// EXPONENTIALS: .visible .entry conv_1(
func.func @conv(%x: tensor<?x?x?xbf16>, %w: tensor<?x4xbf16>, %g: tensor<?x?x?xbf16>) -> (tensor<?x?x?xbf16>, tensor<?x4xbf16>) {
  %0:2 = seqc.causal_conv1d_backward x(%x) weight(%w) out_grad(%g) activation(silu)
    : (tensor<?x?x?xbf16>, tensor<?x4xbf16>, tensor<?x?x?xbf16>) -> (tensor<?x?x?xbf16>, tensor<?x4xbf16>)
  return %0#0, %0#1 : tensor<?x?x?xbf16>, tensor<?x4xbf16>
}

// -----

// Attention's three gradients from one kernel, whose blocks add to that of the queries: four f32 at once where the chip can. The
// consumers have the registers of two accumulators and a third product for a while. Behind it, a kernel that rounds the sums, the sums
// of rows in front of it, and zeros to add to.
// CHECK-LABEL: .visible .entry attention_0(
// CHECK: .reqntid {{256|384}}
// SM90: setmaxnreg.dec.sync.aligned.u32 24;
// SM90: setmaxnreg.inc.sync.aligned.u32 240;
// SM90-COUNT-8: red.relaxed.gpu.global.add.v4.f32
// SM80-COUNT-32: red.relaxed.gpu.global.add.f32
// CHECK-NOT: red.relaxed
// CHECK-LABEL: .visible .entry attention_0_round(
// SM90: ld.global{{.*}}.v4
// CHECK: st.global
// CHECK-LABEL: .visible .entry attention_1(
// CHECK-LABEL: .visible .entry attention_2(
// CHECK-NOT: .visible .entry
func.func @attention(%q: tensor<?x?x?x128xbf16>, %k: tensor<?x?x?x128xbf16>, %lse: tensor<?x?x?xf32>)
    -> (tensor<?x?x?x128xbf16>, tensor<?x?x?x128xbf16>, tensor<?x?x?x128xbf16>) {
  %0:3 = seqc.attention_backward query(%q) key(%k) value(%k) out(%q) lse(%lse) out_grad(%q) causal unordered
    : (tensor<?x?x?x128xbf16>, tensor<?x?x?x128xbf16>, tensor<?x?x?x128xbf16>, tensor<?x?x?x128xbf16>, tensor<?x?x?xf32>, tensor<?x?x?x128xbf16>)
    -> (tensor<?x?x?x128xbf16>, tensor<?x?x?x128xbf16>, tensor<?x?x?x128xbf16>)
  return %0#0, %0#1, %0#2 : tensor<?x?x?x128xbf16>, tensor<?x?x?x128xbf16>, tensor<?x?x?x128xbf16>
}
