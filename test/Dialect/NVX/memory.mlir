// RUN: %roundtrip

// CHECK-LABEL: llvm.func @memory
llvm.func @memory(%p: !llvm.ptr<1>, %c: i1) {
  // CHECK: %[[V:.*]] = nvx.load %{{.*}} when %{{.*}} : vector<8xbf16>
  %v = nvx.load %p when %c : vector<8xbf16>
  // CHECK: %[[S:.*]] = nvx.load %{{.*}} when %{{.*}} : i8
  %s = nvx.load %p when %c : i8
  // CHECK: nvx.store %[[V]], %{{.*}} when %{{.*}} : vector<8xbf16>
  nvx.store %v, %p when %c : vector<8xbf16>
  // CHECK: nvx.store %[[S]], %{{.*}} when %{{.*}} : i8
  nvx.store %s, %p when %c : i8
  // CHECK: nvx.store %{{.*}}, %{{.*}} when %{{.*}} add : vector<4xf32>
  %w = nvx.load %p when %c : vector<4xf32>
  nvx.store %w, %p when %c add : vector<4xf32>
  // CHECK: nvx.store %{{.*}}, %{{.*}} when %{{.*}} add : f32
  %x = nvx.load %p when %c : f32
  nvx.store %x, %p when %c add : f32
  llvm.return
}
