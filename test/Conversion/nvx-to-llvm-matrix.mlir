// RUN: seqc-opt %s --convert-nvx-to-llvm --split-input-file | FileCheck %s

// Without an accumulator the registers are results only, and the predicate that says whether
// they are read is false.
// CHECK-LABEL: llvm.func @first
// CHECK: %[[R:.*]] = llvm.inline_asm has_side_effects
// CHECK-SAME: setp.ne.b32 p, 0, 0;
// CHECK-SAME: wgmma.mma_async.sync.aligned.m64n8k16.f32.bf16.bf16 {$0, $1, $2, $3}, $4, $5, p, 1, 1, 0, 0;
// CHECK-SAME: "=f,=f,=f,=f,l,l,~{memory}" %{{.*}}, %{{.*}} : (i64, i64) -> !llvm.struct<(f32, f32, f32, f32)>
// CHECK: llvm.extractvalue %[[R]][3]
llvm.func @first(%a: i64, %b: i64) -> vector<4xf32> {
  %d = nvx.wgmma bf16(%a), %b : (i64) -> vector<4xf32>
  llvm.return %d : vector<4xf32>
}

// -----

// An accumulator is tied to the result; a comes from registers; b has its columns contiguous.
// CHECK-LABEL: llvm.func @next
// CHECK-COUNT-4: llvm.extractelement
// CHECK: setp.ne.b32 p, 1, 0;
// CHECK-SAME: wgmma.mma_async.sync.aligned.m64n8k16.f32.f16.f16 {$0, $1, $2, $3}, {$8, $9, $10, $11}, $12, p, 1, 1, 1;
// CHECK-SAME: "=f,=f,=f,=f,0,1,2,3,r,r,r,r,l,~{memory}"
llvm.func @next(%c: vector<4xf32>, %r: i32, %b: i64) -> vector<4xf32> {
  %d = nvx.wgmma f16(%r, %r, %r, %r), %b acc(%c : vector<4xf32>) columns_fastest : (i32, i32, i32, i32) -> vector<4xf32>
  llvm.return %d : vector<4xf32>
}

// -----

// What goes through a fence or a wait is tied, although the text names nothing.
// CHECK-LABEL: llvm.func @tied
// CHECK: "wgmma.fence.sync.aligned;", "=f,=f,=r,0,1,2,~{memory}"
// CHECK: "wgmma.wait_group.sync.aligned 1;", "=f,=f,0,1,~{memory}"
// CHECK: "wgmma.fence.sync.aligned;", "~{memory}" : () -> ()
// CHECK: "wgmma.wait_group.sync.aligned 0;", "=f,0,~{memory}" %{{.*}} : (f32) -> f32
llvm.func @tied(%c: vector<2xf32>, %r: i32, %x: f32) -> f32 {
  %f:2 = nvx.wgmma_fence(%c, %r : vector<2xf32>, i32)
  %w = nvx.wgmma_wait 1(%f#0 : vector<2xf32>)
  nvx.wgmma_fence
  %y = nvx.wgmma_wait 0(%x : f32)
  llvm.return %y : f32
}

// -----

// CHECK-LABEL: llvm.func @barriers
// CHECK: %[[A:.*]] = llvm.ptrtoint %arg0 : !llvm.ptr<3> to i32
// CHECK: mbarrier.try_wait.parity.shared::cta.b64 p, [$0], $1;
// CHECK-SAME: bra WAIT;
// CHECK-SAME: "r,r,~{memory}" %[[A]], %arg1
// CHECK: %[[W:.*]] = llvm.zext %arg2 : i1 to i32
// CHECK: @p mbarrier.arrive.shared::cta.b64 _, [$0];
// CHECK-SAME: %[[W]]
// CHECK: %[[P:.*]] = llvm.inline_asm has_side_effects {{.*}}"mov.b32 $0, $1;", "=r,r"
// CHECK: llvm.inttoptr %[[P]] : i32 to !llvm.ptr<3>
llvm.func @barriers(%p: !llvm.ptr<3>, %parity: i32, %c: i1) -> !llvm.ptr<3> {
  nvx.mbarrier_wait %p, %parity
  nvx.mbarrier_arrive %p when %c
  %q = nvx.pin %p : !llvm.ptr<3>
  llvm.return %q : !llvm.ptr<3>
}

// -----

// No instruction: registers go through, in their order, and memory is left out. LLVM keeps the text where it is.
// CHECK-LABEL: llvm.func @order
// CHECK: llvm.inline_asm has_side_effects asm_dialect = att "", "" : () -> ()
// CHECK: %[[R:.*]] = llvm.inline_asm has_side_effects asm_dialect = att "", "=f,=f,=r,0,1,2" %{{.*}}, %{{.*}}, %arg1 : (f32, f32, i32) -> !llvm.struct<(f32, f32, i32)>
// CHECK: %[[WORD:.*]] = llvm.extractvalue %[[R]][2]
// CHECK: llvm.return %[[WORD]]
llvm.func @order(%v: vector<2xf32>, %r: i32) -> i32 {
  nvx.keep_branch
  %0:2 = nvx.ready(%v, %r : vector<2xf32>, i32)
  llvm.return %0#1 : i32
}

// -----

// a in shared memory with its rows contiguous is transposed by the product, and so is b with its columns.
// CHECK-LABEL: llvm.func @rows
// CHECK: wgmma.mma_async.sync.aligned.m64n8k16.f32.bf16.bf16 {$0, $1, $2, $3}, $4, $5, p, 1, 1, 1, 0;
// CHECK: wgmma.mma_async.sync.aligned.m64n8k16.f32.bf16.bf16 {$0, $1, $2, $3}, $8, $9, p, 1, 1, 1, 1;
llvm.func @rows(%a: i64, %b: i64) -> vector<4xf32> {
  %c = nvx.wgmma bf16(%a), %b rows_fastest : (i64) -> vector<4xf32>
  %d = nvx.wgmma bf16(%a), %b acc(%c : vector<4xf32>) columns_fastest rows_fastest : (i64) -> vector<4xf32>
  llvm.return %d : vector<4xf32>
}
