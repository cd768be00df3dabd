// RUN: seqc-opt %s --seqc-print-host-plan -o /dev/null | FileCheck %s
// RUN: seqc-opt %s --seqc-print-host-plan --seqc-statistics -o /dev/null 2>&1 | FileCheck %s --check-prefix=STATS

// STATS: seqc-print-host-plan{{$}}
// STATS-NEXT: 2 kernels
// STATS-NEXT: 8 plans

// Everything that the runtime needs to know is on the kernel's function; what
// it is beyond the fixed attributes is passed on as well.
// CHECK: kernel {"aligned":[0],"name":"scale_0","params":[{"arg":0,"kind":"pointer"},{"arg":0,"dim":0,"kind":"size"},{"arg":1,"kind":"scalar","type":"f32"},{"arg":2,"kind":"pointer"},{"dim":0,"kind":"grid"}],"shared_bytes":1024,"threads":128}
gpu.module @scale_0 {
  llvm.func @scale_0(%x: !llvm.ptr<1>, %n: i32, %s: f32, %y: !llvm.ptr<1>, %g: i32)
      attributes {nvvm.kernel, nvvm.reqntid = array<i32: 128, 1, 1>,
                  seqc.threads = 128 : i64, seqc.shared_bytes = 1024 : i64,
                  seqc.aligned = [0 : i64],
                  seqc.params = [{kind = "pointer", arg = 0 : i64},
                                 {kind = "size", arg = 0 : i64, dim = 0 : i64},
                                 {kind = "scalar", arg = 1 : i64, type = "f32"},
                                 {kind = "pointer", arg = 2 : i64},
                                 {kind = "grid", dim = 0 : i64}]} {
    llvm.return
  }
}
// A function that a kernel calls is none.
// CHECK-NEXT: kernel {"name":"entry","params":[{"arg":0,"box":[1,64],"kind":"tensor_map","swizzle":128},{"arg":1,"kind":"pointer"}],"shared_bytes":0,"threads":256}
gpu.module @copy_0 {
  llvm.func @helper() {
    llvm.return
  }
  llvm.func @entry(%x: !llvm.ptr, %y: !llvm.ptr<1>)
      attributes {nvvm.kernel, seqc.threads = 256 : i64,
                  seqc.shared_bytes = 0 : i64,
                  seqc.params = [{kind = "tensor_map", arg = 0 : i64,
                                  box = [1 : i64, 64 : i64], swizzle = 128 : i64},
                                 {kind = "pointer", arg = 1 : i64}]} {
    llvm.return
  }
}

// Values are numbered as steps define them, and equal ones are one. Tensors are
// the arguments, by position, then what is allocated.
// CHECK: plan "scale"
// CHECK-NEXT: {"op":"const","value":0}
// CHECK-NEXT: {"op":"const","value":1}
// CHECK-NEXT: {"dim":0,"op":"dim","tensor":0}
// CHECK-NEXT: {"op":"const","value":128}
// CHECK-NEXT: {"a":2,"b":3,"op":"ceildivs"}
// CHECK-NEXT: {"argument":1,"op":"arg"}
// CHECK-NEXT: {"dtype":"f32","op":"alloc","shape":[2],"tensor":2}
// CHECK-NEXT: {"args":[{"tensor":0},{"value":5},{"tensor":2}],"grid":[4,1,1],"kernel":0,"op":"launch"}
// CHECK-NEXT: {"op":"return","results":[{"tensor":2}]}
// CHECK-NOT: {
func.func @scale(%x: tensor<?xf32>, %s: f32) -> tensor<?xf32> {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %n = tensor.dim %x, %c0 : tensor<?xf32>
  %again = tensor.dim %x, %c0 : tensor<?xf32>
  %g = affine.apply affine_map<()[s0] -> (s0 ceildiv 128)>()[%n]
  %e = tensor.empty(%again) : tensor<?xf32>
  %r = tile.launch @scale_0 grid(%g, %c1, %c1) ins(%x, %s : tensor<?xf32>, f32)
      outs(%e : tensor<?xf32>) -> tensor<?xf32>
  return %r : tensor<?xf32>
}

// Two launches that write "the same" new tensor get one each; one that writes the
// result of another does so in place. The size of a result is what it was made of.
// CHECK: plan "chain"
// CHECK: "op":"alloc","shape":[{{[0-9]+}},[[N:[0-9]+]]],"tensor":1}
// CHECK-NEXT: {"args":[{"tensor":0},{"tensor":1}],{{.*}}"kernel":1
// CHECK-NEXT: {"dtype":"bf16","op":"alloc",{{.*}}"tensor":2}
// CHECK-NEXT: {"args":[{"tensor":1},{"tensor":2}],{{.*}}"kernel":1
// CHECK-NEXT: {"args":[{"tensor":1},{"tensor":2}],{{.*}}"kernel":1
// CHECK-NEXT: {"op":"return","results":[{"tensor":1},{"tensor":2},{"value":[[N]]},{"tensor":0}]}
func.func @chain(%x: tensor<4x?xbf16>)
    -> (tensor<4x?xbf16>, tensor<4x?xbf16>, index, tensor<4x?xbf16>) {
  %c1 = arith.constant 1 : index
  %n = tensor.dim %x, %c1 : tensor<4x?xbf16>
  %e = tensor.empty(%n) : tensor<4x?xbf16>
  %a = tile.launch @copy_0 grid(%c1, %c1, %c1) ins(%x : tensor<4x?xbf16>)
      outs(%e : tensor<4x?xbf16>) -> tensor<4x?xbf16>
  %b = tile.launch @copy_0 grid(%c1, %c1, %c1) ins(%a : tensor<4x?xbf16>)
      outs(%e : tensor<4x?xbf16>) -> tensor<4x?xbf16>
  %c = tile.launch @copy_0 grid(%c1, %c1, %c1) ins(%a : tensor<4x?xbf16>)
      outs(%b : tensor<4x?xbf16>) -> tensor<4x?xbf16>
  %m = tensor.dim %c, %c1 : tensor<4x?xbf16>
  return %a, %c, %m, %x : tensor<4x?xbf16>, tensor<4x?xbf16>, index, tensor<4x?xbf16>
}

// A new tensor that is only read, and casts between static and dynamic sizes.
// CHECK: plan "casts"
// CHECK: {"dtype":"bf16","op":"alloc","shape":[1,2],"tensor":1}
// CHECK-NEXT: {"dtype":"bf16","op":"alloc","shape":[1,2],"tensor":2}
// CHECK-NEXT: {"args":[{"tensor":1},{"tensor":2}]
// CHECK-NEXT: {"op":"return","results":[{"tensor":2},{"tensor":0}]}
func.func @casts(%x: tensor<4x8xbf16>) -> (tensor<4x8xbf16>, tensor<?x8xbf16>) {
  %c1 = arith.constant 1 : index
  %e = tensor.empty() : tensor<4x8xbf16>
  %d = tensor.cast %e : tensor<4x8xbf16> to tensor<4x?xbf16>
  %a = tile.launch @copy_0 grid(%c1, %c1, %c1) ins(%e : tensor<4x8xbf16>)
      outs(%d : tensor<4x?xbf16>) -> tensor<4x?xbf16>
  %r = tensor.cast %a : tensor<4x?xbf16> to tensor<4x8xbf16>
  %y = tensor.cast %x : tensor<4x8xbf16> to tensor<?x8xbf16>
  return %r, %y : tensor<4x8xbf16>, tensor<?x8xbf16>
}

// affine.min and max fold over their results; differences are `sub`.
// CHECK: plan "affine"
// CHECK-NEXT: {"argument":0,"op":"arg"}
// CHECK-NEXT: {"argument":1,"op":"arg"}
// CHECK-NEXT: {"a":0,"b":1,"op":"sub"}
// CHECK-NEXT: {"op":"const","value":32}
// CHECK-NEXT: {"a":2,"b":3,"op":"min"}
// CHECK-NEXT: {"a":1,"b":3,"op":"mods"}
// CHECK-NEXT: {"op":"const","value":7}
// CHECK-NEXT: {"a":1,"b":6,"op":"floordivs"}
// CHECK-NEXT: {"op":"const","value":3}
// CHECK-NEXT: {"a":5,"b":7,"op":"max"}
// CHECK-NEXT: {"a":9,"b":8,"op":"max"}
// CHECK-NEXT: {"op":"return","results":[{"value":4},{"value":10}]}
func.func @affine(%a: index, %b: index) -> (index, index) {
  %0 = affine.min affine_map<(d0)[s0] -> (d0 - s0, 32)>(%a)[%b]
  %1 = affine.max affine_map<(d0) -> (d0 mod 32, d0 floordiv 7, 3)>(%b)
  return %0, %1 : index, index
}

// CHECK: plan "arith"
// CHECK: {"a":0,"b":1,"op":"divu"}
// CHECK-NEXT: {"a":0,"b":1,"op":"divs"}
// CHECK-NEXT: {"a":0,"b":1,"op":"remu"}
// CHECK-NEXT: {"a":0,"b":1,"op":"rems"}
// CHECK-NEXT: {"a":0,"b":1,"op":"min"}
// CHECK-NEXT: {"a":0,"b":1,"op":"max"}
// CHECK-NEXT: {"a":0,"b":1,"op":"ceildivs"}
// CHECK-NEXT: {"a":0,"b":1,"op":"floordivs"}
// CHECK-NEXT: {"a":0,"b":1,"op":"cmp","predicate":"slt"}
// CHECK-NEXT: {"a":2,"b":3,"c":10,"op":"select"}
// CHECK: {"a":[[Q:[0-9]+]],"b":[[R:[0-9]+]],"op":"add"}
func.func @arith(%a: index, %b: index)
    -> (index, index, index, index, index, index, index, index, index, index) {
  %0 = arith.divui %a, %b : index
  %1 = arith.divsi %a, %b : index
  %2 = arith.remui %a, %b : index
  %3 = arith.remsi %a, %b : index
  %4 = arith.minsi %a, %b : index
  %5 = arith.maxsi %a, %b : index
  %6 = arith.ceildivsi %a, %b : index
  %7 = arith.floordivsi %a, %b : index
  %8 = arith.cmpi slt, %a, %b : index
  %9 = arith.select %8, %0, %1 : index
  %10 = arith.ceildivui %a, %b : index
  return %0, %1, %2, %3, %4, %5, %6, %7, %9, %10
    : index, index, index, index, index, index, index, index, index, index
}

// Narrow integers wrap: i32 through 2^31 and 2^32.
// CHECK: plan "narrow"
// CHECK-NEXT: {"argument":0,"op":"arg"}
// CHECK-NEXT: {"a":0,"b":0,"op":"mul"}
// CHECK-NEXT: {"op":"const","value":2147483648}
// CHECK-NEXT: {"a":1,"b":2,"op":"add"}
// CHECK-NEXT: {"op":"const","value":4294967296}
// CHECK-NEXT: {"a":3,"b":4,"op":"mods"}
// CHECK-NEXT: {"a":5,"b":2,"op":"sub"}
// CHECK-NEXT: {"a":0,"b":4,"op":"mods"}
// CHECK-NEXT: {"op":"return","results":[{"value":6},{"value":6},{"value":7}]}
func.func @narrow(%a: i32) -> (i32, index, i64) {
  %0 = arith.muli %a, %a : i32
  %1 = arith.index_cast %0 : i32 to index
  %2 = arith.extui %a : i32 to i64
  return %0, %1, %2 : i32, index, i64
}

// CHECK: plan "bits"
// CHECK-NEXT: {"op":"const","value":1}
// CHECK-NEXT: {"argument":0,"op":"arg"}
// CHECK-NEXT: {"argument":1,"op":"arg"}
// CHECK-NEXT: {"a":1,"b":2,"op":"mul"}
// CHECK-NEXT: {"a":1,"b":2,"op":"max"}
// CHECK-NEXT: {"a":4,"b":0,"op":"cmp","predicate":"ne"}
func.func @bits(%a: i1, %b: i1) -> i1 {
  %true = arith.constant true
  %0 = arith.andi %a, %b : i1
  %1 = arith.ori %a, %b : i1
  %2 = arith.xori %1, %true : i1
  %3 = arith.andi %0, %2 : i1
  return %3 : i1
}

// JSON has no infinities.
// CHECK: plan "floats"
// CHECK-NEXT: {"op":"fconst","value":0.5}
// CHECK-NEXT: {"op":"fconst","value":"-inf"}
// CHECK-NEXT: {"argument":0,"op":"arg"}
// CHECK-NEXT: {"a":0,"b":1,"c":2,"op":"select"}
func.func @floats(%c: i1) -> f32 {
  %0 = arith.constant 0.5 : f32
  %1 = arith.constant 0xFF800000 : f32
  %2 = arith.select %c, %0, %1 : f32
  return %2 : f32
}

// A private function has no plan.
// CHECK-NOT: plan
func.func private @unknown(index) -> index
