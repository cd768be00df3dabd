// RUN: seqc-opt %s --seqc-decompose --canonicalize --cse | FileCheck %s

// Everything lies as (time, channel) or (state, channel), so that a step is
// elementwise along the channels. A goes into base 2. The loop over time updates
// the state in place and adds up one row of outputs; delta and delta u are ready
// before it. The output is turned back, with D and the gate.
// CHECK-DAG: #[[$ID:.*]] = affine_map<(d0, d1) -> (d0, d1)>
// CHECK-DAG: #[[$SWAP:.*]] = affine_map<(d0, d1) -> (d1, d0)>
// CHECK-DAG: #[[$ROW:.*]] = affine_map<(d0, d1) -> (d0)>
// CHECK-DAG: #[[$COL:.*]] = affine_map<(d0, d1) -> (d1)>
// CHECK-LABEL: func @scan(
// CHECK-SAME: %[[U:[a-z0-9]+]]: tensor<1x16x32xf16>, %[[DELTA:[a-z0-9]+]]: tensor<1x16x32xf16>, %[[A:[a-z0-9]+]]: tensor<16x4xf32>, %[[B:[a-z0-9]+]]: tensor<1x1x4x32xf16>, %[[D:[a-z0-9]+]]: tensor<16xf32>, %[[BIAS:[a-z0-9]+]]: tensor<16xf32>, %[[Z:[a-z0-9]+]]: tensor<1x16x32xf16>, %[[Y:[a-z0-9]+]]: tensor<1x16x32xf16>, %[[H:[a-z0-9]+]]: tensor<1x16x4xf32>, %[[STEPS:[a-z0-9]+]]: index)
// CHECK-DAG: %[[LOG2E:.*]] = arith.constant 1.44269502 : f32
// CHECK-DAG: %[[TWENTY:.*]] = arith.constant 2.000000e+01 : f32
// delta: softplus(delta + bias), and the argument itself above 20.
// CHECK: %[[X:.*]] = arith.addf
// CHECK-NEXT: %[[E:.*]] = math.exp %[[X]]
// CHECK-NEXT: %[[SOFT:.*]] = math.log1p %[[E]]
// CHECK-NEXT: %[[LARGE:.*]] = arith.cmpf ugt, %[[X]], %[[TWENTY]]
// CHECK-NEXT: arith.select %[[LARGE]], %[[X]], %[[SOFT]]
// CHECK: -> tensor<32x16xf32>
// CHECK: %[[A2:[0-9]+]] = linalg.generic {indexing_maps = [#[[$SWAP]], #[[$ID]]]{{.*}} ins(%[[A]] : tensor<16x4xf32>) outs(%{{.*}} : tensor<4x16xf32>)
// CHECK: arith.mulf %{{.*}}, %[[LOG2E]]
// CHECK: %[[BT:[0-9]+]] = linalg.generic {{.*}} ins(%{{.*}} : tensor<4x32xf16>) outs(%{{.*}} : tensor<32x4xf32>)
// C does not vary with time: (state, channel).
// CHECK: %[[CM:[0-9]+]] = linalg.generic {{.*}} ins(%[[A]] : tensor<16x4xf32>) outs(%{{.*}} : tensor<4x16xf32>)
// CHECK: %[[LOOP:[0-9]+]]:2 = scf.for %[[T:[a-z0-9]+]] = %c0 to %[[STEPS]] step %c1 iter_args(%[[HT:[a-z0-9]+]] = %{{.*}}, %[[YT:[a-z0-9]+]] = %{{.*}}) -> (tensor<4x16xf32>, tensor<32x16xf32>)
// CHECK: tensor.extract_slice %[[BT]][%[[T]], 0] [1, 4] [1, 1] : tensor<32x4xf32> to tensor<4xf32>
// CHECK: %[[STEP:.*]] = linalg.generic {{.*}}%[[A2]],{{.*}} outs(%[[HT]]
// CHECK: math.exp2
// CHECK: %[[ROW:.*]] = tensor.insert_slice %{{.*}} into %[[YT]][%[[T]], 0] [1, 16]
// CHECK: scf.yield %{{.*}}, %[[ROW]]
// The output: (channel, time), plus D u, times silu(z), in f16.
// CHECK: %[[Y0:.*]] = tensor.collapse_shape %[[Y]]
// CHECK: linalg.generic {{.*}} outs(%[[Y0]] : tensor<16x32xf16>)
// CHECK: %[[SKIP:.*]] = arith.mulf
// CHECK: %[[SUM:.*]] = arith.addf %{{.*}}, %[[SKIP]]
// CHECK: %[[NEG:.*]] = arith.negf
// CHECK: %[[EZ:.*]] = math.exp %[[NEG]]
// CHECK: %[[ONE_MORE:.*]] = arith.addf %[[EZ]]
// CHECK: %[[SILU:.*]] = arith.divf %{{.*}}, %[[ONE_MORE]]
// CHECK: %[[GATED:.*]] = arith.mulf %[[SUM]], %[[SILU]]
// CHECK: arith.truncf %[[GATED]] : f32 to f16
// The state goes back to where it came from.
// CHECK: %[[H0:.*]] = tensor.collapse_shape %[[H]]
// CHECK: linalg.generic {indexing_maps = [#[[$SWAP]], #[[$ID]]]{{.*}} ins(%[[LOOP]]#0 : tensor<4x16xf32>) outs(%[[H0]] : tensor<16x4xf32>)
func.func @scan(%u: tensor<1x16x32xf16>, %delta: tensor<1x16x32xf16>,
                %A: tensor<16x4xf32>, %B: tensor<1x1x4x32xf16>,
                %D: tensor<16xf32>, %bias: tensor<16xf32>,
                %z: tensor<1x16x32xf16>, %y: tensor<1x16x32xf16>,
                %h: tensor<1x16x4xf32>, %steps: index)
    -> (tensor<1x16x32xf16>, tensor<1x16x4xf32>) {
  %0:2 = seqc.chunk_scan u(%u) delta(%delta) A(%A) B(%B) C(%A) D(%D) z(%z)
      delta_bias(%bias) steps(%steps) outs(out %y, state %h) delta_softplus
    : (tensor<1x16x32xf16>, tensor<1x16x32xf16>, tensor<16x4xf32>,
       tensor<1x1x4x32xf16>, tensor<16x4xf32>, tensor<16xf32>,
       tensor<1x16x32xf16>, tensor<16xf32>, index, tensor<1x16x32xf16>,
       tensor<1x16x4xf32>) -> (tensor<1x16x32xf16>, tensor<1x16x4xf32>)
  return %0#0, %0#1 : tensor<1x16x32xf16>, tensor<1x16x4xf32>
}

// State and decay, no output: no row of outputs, and the decay is one power of
// the sum of the deltas. Without `steps` all of them are real. B and C as 3-D
// operands are those of one group.
// CHECK-LABEL: func @state_and_decay(
// CHECK-SAME: %[[P:[a-z0-9]+]]: tensor<1x16x4xf32>)
// CHECK: scf.for %{{.*}} = %c0 to %c32 step %c1 iter_args(%{{.*}} = %{{.*}}) -> (tensor<4x16xf32>)
// CHECK-NOT: tensor.insert_slice
// CHECK: %[[TOTAL:[0-9]+]] = scf.for %{{.*}} = %c0 to %c32 step %c1 iter_args(%{{.*}} = %{{.*}}) -> (tensor<16xf32>)
// CHECK: arith.addf
// CHECK: %[[P0:.*]] = tensor.collapse_shape %[[P]]
// CHECK: linalg.generic {{.*}} ins(%{{.*}}, %[[TOTAL]] : {{.*}}) outs(%[[P0]] :
// CHECK: %[[POWER:.*]] = math.exp2
// CHECK: arith.mulf %[[POWER]], %out
func.func @state_and_decay(%u: tensor<1x16x32xf32>, %A: tensor<16x4xf32>,
                           %B: tensor<1x4x32xf32>, %h: tensor<1x16x4xf32>,
                           %p: tensor<1x16x4xf32>)
    -> (tensor<1x16x4xf32>, tensor<1x16x4xf32>) {
  %0:2 = seqc.chunk_scan u(%u) delta(%u) A(%A) B(%B)
      outs(state %h, decay %p)
    : (tensor<1x16x32xf32>, tensor<1x16x32xf32>, tensor<16x4xf32>,
       tensor<1x4x32xf32>, tensor<1x16x4xf32>, tensor<1x16x4xf32>)
    -> (tensor<1x16x4xf32>, tensor<1x16x4xf32>)
  return %0#0, %0#1 : tensor<1x16x4xf32>, tensor<1x16x4xf32>
}

// One input per tap, out of the chunk behind its history: one pass over the
// chunk, in order of the taps from the bias on.
// CHECK-LABEL: func @conv(
// CHECK-SAME: %[[X:[a-z0-9]+]]: tensor<1x16x32xbf16>, %[[W:[a-z0-9]+]]: tensor<16x3xf32>, %[[B:[a-z0-9]+]]: tensor<16xf32>, %[[S:[a-z0-9]+]]: tensor<1x16x2xbf16>)
// CHECK-DAG: %[[X0:.*]] = tensor.extract_slice %[[X]]
// CHECK-DAG: %[[S0:.*]] = tensor.extract_slice %[[S]]
// CHECK: %[[P0:.*]] = tensor.insert_slice %[[S0]] into %{{.*}}[0, 0] [16, 2] [1, 1] : tensor<16x2xbf16> into tensor<16x34xbf16>
// CHECK: %[[P:.*]] = tensor.insert_slice %[[X0]] into %[[P0]][0, 2] [16, 32]
// CHECK: %[[T0:.*]] = tensor.extract_slice %[[P]][0, 0] [16, 32]
// CHECK: %[[T1:.*]] = tensor.extract_slice %[[P]][0, 1] [16, 32]
// CHECK-DAG: %[[W0:.*]] = tensor.extract_slice %[[W]][0, 0] [16, 1]
// CHECK-DAG: %[[W1:.*]] = tensor.extract_slice %[[W]][0, 1] [16, 1]
// CHECK-DAG: %[[W2:.*]] = tensor.extract_slice %[[W]][0, 2] [16, 1]
// CHECK: linalg.generic {{.*}} ins(%[[T0]], %[[T1]], %[[X0]], %[[W0]], %[[W1]], %[[W2]], %[[B]] :
// CHECK-NEXT: ^bb0(%[[A0:.*]]: bf16, %[[A1:.*]]: bf16, %[[A2:.*]]: bf16, %[[F0:.*]]: f32, %[[F1:.*]]: f32, %[[F2:.*]]: f32, %[[BIAS:.*]]: f32, %{{.*}}: bf16):
// CHECK-NEXT: %[[E0:.*]] = arith.extf %[[A0]]
// CHECK-NEXT: %[[M0:.*]] = arith.mulf %[[E0]], %[[F0]]
// CHECK-NEXT: %[[R0:.*]] = arith.addf %[[BIAS]], %[[M0]]
// CHECK: arith.addf %[[R0]]
// CHECK: arith.divf
// CHECK: arith.truncf
// The last two columns become the history of the next chunk, in its place.
// CHECK: %[[LAST:.*]] = tensor.extract_slice %[[P]][0, 32] [16, 2]
// CHECK: %[[HOME:.*]] = tensor.collapse_shape %[[S]]
// CHECK: bufferization.materialize_in_destination %[[LAST]] in %[[HOME]]
func.func @conv(%x: tensor<1x16x32xbf16>, %w: tensor<16x3xf32>,
                %b: tensor<16xf32>, %s: tensor<1x16x2xbf16>)
    -> (tensor<1x16x32xbf16>, tensor<1x16x2xbf16>) {
  %y, %f = seqc.causal_conv1d x(%x) weight(%w) bias(%b) initial_state(%s)
      activation(silu)
    : (tensor<1x16x32xbf16>, tensor<16x3xf32>, tensor<16xf32>,
       tensor<1x16x2xbf16>) -> (tensor<1x16x32xbf16>, tensor<1x16x2xbf16>)
  return %y, %f : tensor<1x16x32xbf16>, tensor<1x16x2xbf16>
}

// No bias and no activation: the products and nothing else.
// CHECK-LABEL: func @conv_plain(
// CHECK: linalg.generic
// CHECK: arith.mulf
// CHECK: arith.mulf
// CHECK: arith.addf
// CHECK-NEXT: linalg.yield
// CHECK-NOT: math.exp
// CHECK: return
func.func @conv_plain(%x: tensor<1x16x32xf32>, %w: tensor<16x2xf32>,
                      %s: tensor<1x16x1xf32>) -> tensor<1x16x32xf32> {
  %y = seqc.causal_conv1d x(%x) weight(%w) initial_state(%s)
    : (tensor<1x16x32xf32>, tensor<16x2xf32>, tensor<1x16x1xf32>)
    -> tensor<1x16x32xf32>
  return %y : tensor<1x16x32xf32>
}

// Without a state the chunk is the first: zeros lie before it.
// CHECK-LABEL: func @conv_first(
// CHECK: %[[ZEROS:.*]] = linalg.fill {{.*}} -> tensor<16x3xf32>
// CHECK: tensor.insert_slice %[[ZEROS]] into %{{.*}}[0, 0] [16, 3]
// CHECK: tensor.insert_slice %{{.*}} into %{{.*}}[0, 3] [16, 32]
// CHECK: linalg.generic
func.func @conv_first(%x: tensor<1x16x32xf32>, %w: tensor<16x4xf32>)
    -> tensor<1x16x32xf32> {
  %y = seqc.causal_conv1d x(%x) weight(%w)
    : (tensor<1x16x32xf32>, tensor<16x4xf32>) -> tensor<1x16x32xf32>
  return %y : tensor<1x16x32xf32>
}
