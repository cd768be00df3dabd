// RUN: %roundtrip

#states = #tile.blocked<thread = [2, 8, 4], lanes = [8, 1, 4], warps = [4, 1, 1]>
#weights = #tile.slice<dim = 0, of = #tile.blocked<thread = [1, 1, 4], lanes = [1, 8, 4], warps = [4, 1, 1]>>
#sums = #tile.blocked<thread = [2, 2], lanes = [8, 4], warps = [4, 1]>

// CHECK-LABEL: @plain
func.func @plain(%h: tensor<64x8x16xf32>, %c: tensor<8x16xf32>) -> tensor<64x8xf32> {
  // CHECK: tile.contract %{{.*}}, %{{.*}} : tensor<64x8x16xf32>, tensor<8x16xf32> -> tensor<64x8xf32>
  %y = tile.contract %h, %c : tensor<64x8x16xf32>, tensor<8x16xf32> -> tensor<64x8xf32>
  return %y : tensor<64x8xf32>
}

// CHECK-LABEL: @layouts
func.func @layouts(%h: tensor<64x8x64xf32, #states>, %c: tensor<8x64xf32, #weights>) -> tensor<64x8xf32, #sums> {
  // CHECK: tile.contract
  %y = tile.contract %h, %c : tensor<64x8x64xf32, #states>, tensor<8x64xf32, #weights> -> tensor<64x8xf32, #sums>
  return %y : tensor<64x8xf32, #sums>
}
