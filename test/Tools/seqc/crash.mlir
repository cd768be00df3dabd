// Compiled code that uses up the stacks of all threads at once: one line and exit
// code 3.
// REQUIRES: seqc
// RUN: %python -c "import subprocess, sys; r = subprocess.run(sys.argv[1:], capture_output=True, text=True); print(r.returncode, r.stdout, r.stderr, sep='|', end='')" seqc run %s --random-inputs --threads 4 | FileCheck %s

// CHECK: {{^}}3||seqc: internal error: crashed while running @f of '{{.*}}crash.mlir'
// CHECK-NOT: {{.}}

func.func private @deep(%x: f32) -> f32 {
  %zero = arith.constant 0.0 : f32
  %one = arith.constant 1.0 : f32
  %more = arith.cmpf oge, %x, %zero : f32
  %r = scf.if %more -> f32 {
    %next = arith.addf %x, %one : f32
    %deeper = func.call @deep(%next) : (f32) -> f32
    %part = arith.divf %deeper, %next : f32
    scf.yield %part : f32
  } else {
    scf.yield %x : f32
  }
  return %r : f32
}
func.func @f(%x: tensor<64x64xf32>) -> tensor<64x64xf32> {
  %e = tensor.empty() : tensor<64x64xf32>
  %0 = scf.forall (%i, %j) in (64, 64) shared_outs(%o = %e) -> tensor<64x64xf32> {
    %v = tensor.extract %x[%i, %j] : tensor<64x64xf32>
    %s = math.absf %v : f32
    %w = func.call @deep(%s) : (f32) -> f32
    %t = tensor.from_elements %w : tensor<1x1xf32>
    scf.forall.in_parallel {
      tensor.parallel_insert_slice %t into %o[%i, %j] [1, 1] [1, 1] : tensor<1x1xf32> into tensor<64x64xf32>
    }
  }
  return %0 : tensor<64x64xf32>
}
