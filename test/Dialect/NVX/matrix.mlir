// RUN: %roundtrip

// CHECK-LABEL: llvm.func @products
llvm.func @products(%a: i64, %b: i64, %r: i32, %c: vector<32xf32>, %p: vector<4xi32>) {
  // CHECK: %[[D0:.*]] = nvx.wgmma bf16(%{{.*}}), %{{.*}} : (i64) -> vector<32xf32>
  %d0 = nvx.wgmma bf16(%a), %b : (i64) -> vector<32xf32>
  // CHECK: nvx.wgmma f16(%{{.*}}, %{{.*}}, %{{.*}}, %{{.*}}), %{{.*}} acc(%[[D0]] : vector<32xf32>) columns_fastest : (i32, i32, i32, i32) -> vector<32xf32>
  %d1 = nvx.wgmma f16(%r, %r, %r, %r), %b acc(%d0 : vector<32xf32>) columns_fastest : (i32, i32, i32, i32) -> vector<32xf32>
  // CHECK: nvx.wgmma bf16(%{{.*}}), %{{.*}} rows_fastest : (i64) -> vector<32xf32>
  %d2 = nvx.wgmma bf16(%a), %b rows_fastest : (i64) -> vector<32xf32>
  // CHECK: nvx.wgmma bf16(%{{.*}}), %{{.*}} acc(%{{.*}} : vector<32xf32>) columns_fastest rows_fastest : (i64) -> vector<32xf32>
  %d3 = nvx.wgmma bf16(%a), %b acc(%d2 : vector<32xf32>) columns_fastest rows_fastest : (i64) -> vector<32xf32>
  // CHECK: %{{.*}}:2 = nvx.wgmma_fence(%{{.*}}, %{{.*}} : vector<32xf32>, vector<4xi32>)
  %f:2 = nvx.wgmma_fence(%c, %p : vector<32xf32>, vector<4xi32>)
  // CHECK: nvx.wgmma_fence
  nvx.wgmma_fence
  // CHECK: nvx.wgmma_wait 1(%{{.*}} : vector<32xf32>)
  %w = nvx.wgmma_wait 1(%d1 : vector<32xf32>)
  // CHECK: nvx.wgmma_wait 0
  nvx.wgmma_wait 0
  llvm.return
}

// CHECK-LABEL: llvm.func @order
llvm.func @order(%v: vector<4xf32>, %r: i32, %c: i1) {
  // CHECK: %{{.*}}:2 = nvx.ready(%{{.*}}, %{{.*}} : vector<4xf32>, i32)
  %0:2 = nvx.ready(%v, %r : vector<4xf32>, i32)
  // CHECK: nvx.keep_branch{{$}}
  nvx.keep_branch
  llvm.return
}

// CHECK-LABEL: llvm.func @barriers
llvm.func @barriers(%p: !llvm.ptr<3>, %parity: i32, %c: i1) {
  // CHECK: %[[P:.*]] = nvx.pin %{{.*}} : !llvm.ptr<3>
  %q = nvx.pin %p : !llvm.ptr<3>
  // CHECK: nvx.mbarrier_wait %[[P]], %{{.*}}
  nvx.mbarrier_wait %q, %parity
  // CHECK: nvx.mbarrier_arrive %[[P]] when %{{.*}}
  nvx.mbarrier_arrive %q when %c
  llvm.return
}
