// Whole kernels down to what ptxas makes of them: spills, local memory and products that it serializes are
// errors. The products keep their shape, and every access to shared memory is as wide as it can be.

// REQUIRES: ptxas
// RUN: seqc-opt %s --seqc-to-ptx=chip=sm_80 --seqc-serialize-ptx="chip=sm_80 perf-errors=true print=ptx" -o /dev/null | FileCheck %s --check-prefix=SM80
// RUN: seqc-opt %s --seqc-to-ptx=chip=sm_90a --seqc-serialize-ptx="chip=sm_90a perf-errors=true print=ptx" -o /dev/null | FileCheck %s --check-prefix=SM90

// An address is a register and a constant, also where the register stays the same in the loop.
// SM80-DAG: cp.async.cg.shared.global [%{{r[0-9]+}}+{{[0-9]+}}], [%rd{{[0-9]+}}], 16, %r
// SM80-DAG: ldmatrix.sync.aligned.m8n8.x4.shared.b16 {{.*}}, [%{{r[0-9]+}}+{{[0-9]+}}]
// SM80-DAG: ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16
// SM80-DAG: mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32
// SM80-NOT: .local

// SM90: .reqntid
// SM90-DAG: mbarrier.init
// SM90-DAG: setmaxnreg.dec
// SM90-DAG: cp.async.bulk.tensor.4d.shared::cta.global
// SM90-DAG: setmaxnreg.inc
// SM90-DAG: wgmma.fence.sync.aligned
// SM90-DAG: wgmma.mma_async.sync.aligned.m64n128k16.f32.bf16.bf16
// SM90-DAG: wgmma.mma_async.sync.aligned.m64n64k16.f32.bf16.bf16
// SM90-DAG: stmatrix.sync.aligned.m8n8.x4.shared.b16
// SM90-NOT: .local
func.func @f(%q: tensor<?x?x?x64xbf16>, %k: tensor<?x?x?x64xbf16>, %v: tensor<?x?x?x64xbf16>) -> tensor<?x?x?x64xbf16> {
  %o, %lse = seqc.attention query(%q) key(%k) value(%v) causal : (tensor<?x?x?x64xbf16>, tensor<?x?x?x64xbf16>, tensor<?x?x?x64xbf16>) -> (tensor<?x?x?x64xbf16>, tensor<?x?x?xf32>)
  return %o : tensor<?x?x?x64xbf16>
}
