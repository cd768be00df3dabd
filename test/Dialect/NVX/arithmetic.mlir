// RUN: %roundtrip

// CHECK-LABEL: llvm.func @functions
llvm.func @functions(%x: f32, %v: vector<4xf32>) {
  // CHECK: nvx.ex2 %{{.*}} : f32
  %0 = nvx.ex2 %x : f32
  // CHECK: nvx.ex2 %{{.*}} : vector<4xf32>
  %1 = nvx.ex2 %v : vector<4xf32>
  // CHECK: nvx.lg2 %{{.*}} : vector<4xf32>
  %2 = nvx.lg2 %v : vector<4xf32>
  // CHECK: nvx.rcp %{{.*}} : f32
  %3 = nvx.rcp %x : f32
  // CHECK: nvx.rsqrt %{{.*}} : vector<4xf32>
  %4 = nvx.rsqrt %v : vector<4xf32>
  llvm.return
}
