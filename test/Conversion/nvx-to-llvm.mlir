// RUN: seqc-opt %s --convert-nvx-to-llvm | FileCheck %s
// RUN: seqc-opt %s --convert-nvx-to-llvm --seqc-statistics -o /dev/null 2>&1 | FileCheck %s --check-prefix=STATS

// STATS: convert-nvx-to-llvm
// STATS-NEXT: 15 ops-lowered

// A vector is computed element by element.
// CHECK-LABEL: llvm.func @functions
llvm.func @functions(%x: f32, %v: vector<2xf32>) -> vector<2xf32> {
  // CHECK: llvm.call_intrinsic "llvm.nvvm.rcp.approx.ftz.f"(%{{.*}}) : (f32) -> f32
  %0 = nvx.rcp %x : f32
  // CHECK: llvm.call_intrinsic "llvm.nvvm.rsqrt.approx.f"(%{{.*}}) : (f32) -> f32
  %1 = nvx.rsqrt %0 : f32
  // CHECK: llvm.call_intrinsic "llvm.nvvm.lg2.approx.ftz.f"(%{{.*}}) : (f32) -> f32
  %2 = nvx.lg2 %1 : f32
  // An instruction that LLVM has no intrinsic for; it may be moved.
  // CHECK: llvm.inline_asm asm_dialect = att "tanh.approx.f32 $0, $1;", "=f,f" %{{.*}} : (f32) -> f32
  %t = nvx.tanh %2 : f32
  // CHECK: %[[X0:.*]] = llvm.extractelement %[[V:.*]][%{{.*}} : i32] : vector<2xf32>
  // CHECK: %[[Y0:.*]] = llvm.call_intrinsic "llvm.nvvm.ex2.approx.ftz.f"(%[[X0]]) : (f32) -> f32
  // CHECK: llvm.insertelement %[[Y0]]
  // CHECK: %[[X1:.*]] = llvm.extractelement %[[V]][%{{.*}} : i32] : vector<2xf32>
  // CHECK: %[[Y1:.*]] = llvm.call_intrinsic "llvm.nvvm.ex2.approx.ftz.f"(%[[X1]]) : (f32) -> f32
  // CHECK: %[[R:.*]] = llvm.insertelement %[[Y1]]
  // CHECK: llvm.return %[[R]]
  %3 = nvx.ex2 %v : vector<2xf32>
  llvm.return %3 : vector<2xf32>
}

// Registers are zero before a load that may not happen. Their type is that of the
// instruction, not of the elements.
// CHECK-LABEL: llvm.func @loads
llvm.func @loads(%p: !llvm.ptr<1>, %c: i1) {
  // CHECK: %[[S:.*]] = llvm.inline_asm has_side_effects asm_dialect = att "mov.b32 $0, 0;\0Amov.b32 $1, 0;\0Amov.b32 $2, 0;\0Amov.b32 $3, 0;\0A@$5 ld.global.v4.b32 {$0, $1, $2, $3}, [$4];", "=&r,=&r,=&r,=&r,l,b" %{{.*}}, %{{.*}} : (!llvm.ptr<1>, i1) -> !llvm.struct<(i32, i32, i32, i32)>
  // CHECK: llvm.bitcast %{{.*}} : vector<4xi32> to vector<8xbf16>
  %0 = nvx.load %p when %c : vector<8xbf16>
  // CHECK: "mov.b16 $0, 0;\0A@$2 ld.global.b16 $0, [$1];", "=&h,l,b"
  // CHECK: llvm.bitcast %{{.*}} : i16 to bf16
  %1 = nvx.load %p when %c : bf16
  // CHECK: "mov.b16 $0, 0;\0A@$2 ld.global.b8 $0, [$1];", "=&h,l,b"
  // CHECK: llvm.trunc %{{.*}} : i16 to i8
  %2 = nvx.load %p when %c : i8
  llvm.return
}

// CHECK-LABEL: llvm.func @stores
llvm.func @stores(%v: vector<2xf32>, %s: f64, %p: !llvm.ptr<1>, %c: i1) {
  // CHECK: "@$1 st.global.v2.b32 [$0], {$2, $3};", "l,b,r,r,~{memory}"
  nvx.store %v, %p when %c : vector<2xf32>
  // CHECK: llvm.bitcast %{{.*}} : f64 to vector<2xi32>
  // CHECK: "@$1 st.global.v2.b32 [$0], {$2, $3};", "l,b,r,r,~{memory}"
  nvx.store %s, %p when %c : f64
  llvm.return
}

// What always happens is left to LLVM.
// CHECK-LABEL: llvm.func @always
llvm.func @always(%p: !llvm.ptr<1>) {
  // CHECK-NOT: inline_asm
  // CHECK: llvm.load %{{.*}} {alignment = 16 : i64} : !llvm.ptr<1> -> vector<4xf32>
  // CHECK: llvm.store %{{.*}} {alignment = 16 : i64} : vector<4xf32>, !llvm.ptr<1>
  %true = llvm.mlir.constant(true) : i1
  %0 = nvx.load %p when %true : vector<4xf32>
  nvx.store %0, %p when %true : vector<4xf32>
  llvm.return
}

// Additions of f32, also where they always happen.
// CHECK-LABEL: llvm.func @adds
llvm.func @adds(%v: vector<4xf32>, %s: f32, %p: !llvm.ptr<1>, %c: i1) {
  // CHECK: %[[X0:.*]] = llvm.extractelement %arg0[%{{.*}} : i32] : vector<4xf32>
  // CHECK-COUNT-2: llvm.extractelement %arg0
  // CHECK: %[[X3:.*]] = llvm.extractelement %arg0[%{{.*}} : i32] : vector<4xf32>
  // CHECK: llvm.inline_asm has_side_effects asm_dialect = att "@$1 red.relaxed.gpu.global.add.v4.f32 [$0], {$2, $3, $4, $5};", "l,b,f,f,f,f,~{memory}" %arg2, %arg3, %[[X0]], {{.*}}, %[[X3]] :
  nvx.store %v, %p when %c add : vector<4xf32>
  // CHECK: "@$1 red.relaxed.gpu.global.add.f32 [$0], $2;", "l,b,f,~{memory}" %arg2, %arg3, %arg1 :
  nvx.store %s, %p when %c add : f32
  // CHECK-NOT: llvm.store
  // CHECK: red.relaxed.gpu.global.add.f32
  %true = llvm.mlir.constant(true) : i1
  nvx.store %s, %p when %true add : f32
  llvm.return
}
