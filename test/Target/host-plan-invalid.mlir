// RUN: seqc-opt %s --seqc-print-host-plan --split-input-file --verify-diagnostics -o /dev/null

func.func @f(%a: tensor<4x4xf32>) -> tensor<4x4xf32> {
  %e = tensor.empty() : tensor<4x4xf32>
  // expected-error @below {{'linalg.exp' cannot be part of a GPU program's host plan (result type 'tensor<4x4xf32>'): only sizes, integer arithmetic, new tensors and launches of kernels can}}
  %0 = linalg.exp ins(%a : tensor<4x4xf32>) outs(%e : tensor<4x4xf32>) -> tensor<4x4xf32>
  return %0 : tensor<4x4xf32>
}

// -----

func.func @f(%a: f32) -> f32 {
  // expected-error @below {{'arith.addf' cannot be part of a GPU program's host plan}}
  %0 = arith.addf %a, %a : f32
  return %0 : f32
}

// -----

// expected-error @below {{'f' branches, which a GPU program's host plan cannot}}
func.func @f(%a: i1) {
  cf.cond_br %a, ^x, ^x
^x:
  return
}

// -----

gpu.module @k {
  llvm.func @k(%x: !llvm.ptr<1>)
      attributes {nvvm.kernel, seqc.threads = 128 : i64, seqc.shared_bytes = 0 : i64,
                  seqc.params = [{kind = "pointer", arg = 0 : i64}]} {
    llvm.return
  }
}
func.func @f(%x: tensor<4xf32>) -> tensor<4xf32> {
  %c1 = arith.constant 1 : index
  // expected-error @below {{writes argument 0 of the function, which belongs to the caller}}
  %r = tile.launch @k grid(%c1, %c1, %c1) outs(%x : tensor<4xf32>) -> tensor<4xf32>
  return %r : tensor<4xf32>
}

// -----

gpu.module @k {
  llvm.func @k(%x: !llvm.ptr<1>)
      attributes {nvvm.kernel, seqc.threads = 128 : i64, seqc.shared_bytes = 0 : i64,
                  seqc.params = [{kind = "pointer", arg = 0 : i64}]} {
    llvm.return
  }
}
func.func @f() -> (tensor<4xf32>, tensor<4xf32>) {
  %c1 = arith.constant 1 : index
  %e = tensor.empty() : tensor<4xf32>
  %a = tile.launch @k grid(%c1, %c1, %c1) outs(%e : tensor<4xf32>) -> tensor<4xf32>
  // expected-error @below {{writes output 0 in place, but another operator reads what it held}}
  %b = tile.launch @k grid(%c1, %c1, %c1) outs(%a : tensor<4xf32>) -> tensor<4xf32>
  return %a, %b : tensor<4xf32>, tensor<4xf32>
}

// -----

gpu.module @k {
  llvm.func @k(%x: !llvm.ptr<1>)
      attributes {nvvm.kernel, seqc.threads = 128 : i64, seqc.shared_bytes = 0 : i64,
                  seqc.params = [{kind = "pointer", arg = 0 : i64}]} {
    llvm.return
  }
}
func.func @f() -> tensor<4xf32> {
  %c1 = arith.constant 1 : index
  %many = arith.constant 65536 : index
  %e = tensor.empty() : tensor<4xf32>
  // expected-error @below {{has 65536 blocks in dimension y of its grid; a GPU has 65535 at most}}
  %a = tile.launch @k grid(%many, %many, %c1) outs(%e : tensor<4xf32>) -> tensor<4xf32>
  return %a : tensor<4xf32>
}

// -----

gpu.module @k {
  llvm.func @k(%x: f32)
      attributes {nvvm.kernel, seqc.threads = 128 : i64, seqc.shared_bytes = 0 : i64,
                  seqc.params = [{kind = "scalar", arg = 0 : i64, type = "f32"}]} {
    llvm.return
  }
}
func.func @f() -> tensor<4xf32> {
  %c1 = arith.constant 1 : index
  %e = tensor.empty() : tensor<4xf32>
  // expected-error @below {{calls kernel 'k', whose parameter 0, {arg = 0 : i64, kind = "scalar", type = "f32"}, does not fit an argument of type 'tensor<4xf32>'}}
  %a = tile.launch @k grid(%c1, %c1, %c1) outs(%e : tensor<4xf32>) -> tensor<4xf32>
  return %a : tensor<4xf32>
}

// -----

gpu.module @k {
  // expected-error @below {{kernel 'k' has 1 parameters, but seqc.params describes 0}}
  llvm.func @k(%x: f32)
      attributes {nvvm.kernel, seqc.threads = 128 : i64, seqc.shared_bytes = 0 : i64,
                  seqc.params = []} {
    llvm.return
  }
}

// -----

gpu.module @k {
  // expected-error @below {{kernel 'k': entry 0 of seqc.params, {arg = 0 : i64, kind = "size"}, needs a number 'dim' that is not negative}}
  llvm.func @k(%x: i32)
      attributes {nvvm.kernel, seqc.threads = 128 : i64, seqc.shared_bytes = 0 : i64,
                  seqc.params = [{kind = "size", arg = 0 : i64}]} {
    llvm.return
  }
}

// -----

gpu.module @k {
  // expected-error @below {{kernel 'k' has no attribute seqc.threads: a number from 1 to 1024}}
  llvm.func @k() attributes {nvvm.kernel, seqc.shared_bytes = 0 : i64, seqc.params = []} {
    llvm.return
  }
}

// -----

func.func @f(%x: tensor<?xcomplex<f32>>) -> index {
  %c0 = arith.constant 0 : index
  %n = tensor.dim %x, %c0 : tensor<?xcomplex<f32>>
  %c1 = arith.constant 1 : index
  // expected-error @below {{names kernel 'missing', which no gpu.module of the program holds}}
  tile.launch @missing grid(%n, %c1, %c1)
  return %n : index
}
tile.kernel @missing(%bx: index, %by: index, %bz: index) attributes {warps = 4 : i64} {
  tile.return
}
