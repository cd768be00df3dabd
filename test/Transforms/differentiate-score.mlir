// RUN: seqc-opt %s --seqc-recompute-backward --canonicalize --cse | FileCheck %s

// Score regions and their derivatives.

// The product of the chain, plus the second use of the score.
// CHECK-LABEL: func @chain
// CHECK: ^bb0(%[[S:[a-z0-9]+]]: f32, %{{[a-z0-9]+}}: index,
// CHECK: %[[A:.*]] = arith.mulf %[[S]], %[[TWO:.*]] : f32
// CHECK: %[[E:.*]] = math.exp %[[A]] : f32
// CHECK: %[[R:.*]] = arith.addf %[[E]], %[[S]] : f32
// CHECK: %[[DE:.*]] = arith.mulf %[[E]], %[[TWO]] : f32
// CHECK: %[[D:.*]] = arith.addf %[[DE]], %{{.*}} : f32
// CHECK: seqc.yield %[[R]], %[[D]] : f32, f32
func.func @chain(%t: tensor<1x4x5x8xf32>, %lse: tensor<1x4x5xf32>,
            %table: tensor<4xf32>) -> tensor<1x4x5x8xf32> {
  %dq, %dk, %dv = seqc.attention_backward query(%t) key(%t) value(%t)
      out(%t) lse(%lse) out_grad(%t) score {
      ^bb0(%s: f32, %b: index, %h: index, %i: index, %j: index):
        %c = arith.constant 2.0 : f32
        %a = arith.mulf %s, %c : f32
        %e = math.exp %a : f32
        %r = arith.addf %e, %s : f32
        seqc.yield %r : f32
      }
    : (tensor<1x4x5x8xf32>, tensor<1x4x5x8xf32>, tensor<1x4x5x8xf32>,
       tensor<1x4x5x8xf32>, tensor<1x4x5xf32>, tensor<1x4x5x8xf32>)
    -> (tensor<1x4x5x8xf32>, tensor<1x4x5x8xf32>, tensor<1x4x5x8xf32>)
  return %dq : tensor<1x4x5x8xf32>
}

// The derivative of a choice chooses: the pole of the logarithm at 0 stays on
// its side and is not multiplied by 0.
// CHECK-LABEL: func @choice
// CHECK: ^bb0(%[[S:[a-z0-9]+]]: f32, %{{[a-z0-9]+}}: index,
// CHECK: %[[C:.*]] = arith.cmpf ogt
// CHECK: %[[P:.*]] = arith.divf %{{.*}}, %[[S]] : f32
// CHECK-NOT: arith.mulf
// CHECK: %[[D:.*]] = arith.select %[[C]], %[[P]], %[[ONE:.*]] : f32
// CHECK-NEXT: seqc.yield %{{.*}}, %[[D]] : f32, f32
func.func @choice(%t: tensor<1x4x5x8xf32>, %lse: tensor<1x4x5xf32>,
            %table: tensor<4xf32>) -> tensor<1x4x5x8xf32> {
  %dq, %dk, %dv = seqc.attention_backward query(%t) key(%t) value(%t)
      out(%t) lse(%lse) out_grad(%t) score {
      ^bb0(%s: f32, %b: index, %h: index, %i: index, %j: index):
        %zero = arith.constant 0.0 : f32
        %c = arith.cmpf ogt, %s, %zero : f32
        %l = math.log %s : f32
        %r = arith.select %c, %l, %s : f32
        seqc.yield %r : f32
      }
    : (tensor<1x4x5x8xf32>, tensor<1x4x5x8xf32>, tensor<1x4x5x8xf32>,
       tensor<1x4x5x8xf32>, tensor<1x4x5xf32>, tensor<1x4x5x8xf32>)
    -> (tensor<1x4x5x8xf32>, tensor<1x4x5x8xf32>, tensor<1x4x5x8xf32>)
  return %dq : tensor<1x4x5x8xf32>
}

// A choice between the score and what does not depend on it.
// CHECK-LABEL: func @one_side
// CHECK: %[[C:.*]] = arith.cmpi slt
// CHECK: %[[ROOT:.*]] = math.sqrt
// CHECK: %[[P:.*]] = arith.divf %{{.*}}, %[[ROOT]] : f32
// CHECK: %[[D:.*]] = arith.select %[[C]], %{{.*}}, %[[P]] : f32
// CHECK-NEXT: seqc.yield %{{.*}}, %[[D]] : f32, f32
func.func @one_side(%t: tensor<1x4x5x8xf32>, %lse: tensor<1x4x5xf32>,
            %table: tensor<4xf32>) -> tensor<1x4x5x8xf32> {
  %dq, %dk, %dv = seqc.attention_backward query(%t) key(%t) value(%t)
      out(%t) lse(%lse) out_grad(%t) score {
      ^bb0(%s: f32, %b: index, %h: index, %i: index, %j: index):
        %zero = arith.constant 0.0 : f32
        %c = arith.cmpi slt, %i, %j : index
        %q = math.sqrt %s : f32
        %r = arith.select %c, %zero, %q : f32
        seqc.yield %r : f32
      }
    : (tensor<1x4x5x8xf32>, tensor<1x4x5x8xf32>, tensor<1x4x5x8xf32>,
       tensor<1x4x5x8xf32>, tensor<1x4x5xf32>, tensor<1x4x5x8xf32>)
    -> (tensor<1x4x5x8xf32>, tensor<1x4x5x8xf32>, tensor<1x4x5x8xf32>)
  return %dq : tensor<1x4x5x8xf32>
}

// What does not depend on the score has no part in it.
// CHECK-LABEL: func @table
// CHECK: %[[ONE:.*]] = arith.constant 1.000000e+00 : f32
// CHECK: tensor.extract
// CHECK: %[[E:.*]] = math.exp
// CHECK-NEXT: %[[R:.*]] = arith.addf %{{.*}}, %[[E]] : f32
// CHECK-NEXT: seqc.yield %[[R]], %[[ONE]] : f32, f32
func.func @table(%t: tensor<1x4x5x8xf32>, %lse: tensor<1x4x5xf32>,
            %table: tensor<4xf32>) -> tensor<1x4x5x8xf32> {
  %dq, %dk, %dv = seqc.attention_backward query(%t) key(%t) value(%t)
      out(%t) lse(%lse) out_grad(%t) score {
      ^bb0(%s: f32, %b: index, %h: index, %i: index, %j: index):
        %b1 = tensor.extract %table[%h] : tensor<4xf32>
        %b2 = arith.index_cast %i : index to i64
        %b3 = arith.sitofp %b2 : i64 to f32
        %m = arith.mulf %b1, %b3 : f32
        %e = math.exp %m : f32
        %r = arith.addf %s, %e : f32
        seqc.yield %r : f32
      }
    : (tensor<1x4x5x8xf32>, tensor<1x4x5x8xf32>, tensor<1x4x5x8xf32>,
       tensor<1x4x5x8xf32>, tensor<1x4x5xf32>, tensor<1x4x5x8xf32>)
    -> (tensor<1x4x5x8xf32>, tensor<1x4x5x8xf32>, tensor<1x4x5x8xf32>)
  return %dq : tensor<1x4x5x8xf32>
}

// Steps have derivative 0, and so has what becomes an integer.
// CHECK-LABEL: func @flat
// CHECK: %[[ZERO:.*]] = arith.constant 0.000000e+00 : f32
// CHECK: seqc.yield %{{.*}}, %[[ZERO]] : f32, f32
func.func @flat(%t: tensor<1x4x5x8xf32>, %lse: tensor<1x4x5xf32>,
            %table: tensor<4xf32>) -> tensor<1x4x5x8xf32> {
  %dq, %dk, %dv = seqc.attention_backward query(%t) key(%t) value(%t)
      out(%t) lse(%lse) out_grad(%t) score {
      ^bb0(%s: f32, %b: index, %h: index, %i: index, %j: index):
        %f = math.floor %s : f32
        %n = arith.fptosi %s : f32 to i32
        %g = arith.sitofp %n : i32 to f32
        %r = arith.addf %f, %g : f32
        seqc.yield %r : f32
      }
    : (tensor<1x4x5x8xf32>, tensor<1x4x5x8xf32>, tensor<1x4x5x8xf32>,
       tensor<1x4x5x8xf32>, tensor<1x4x5xf32>, tensor<1x4x5x8xf32>)
    -> (tensor<1x4x5x8xf32>, tensor<1x4x5x8xf32>, tensor<1x4x5x8xf32>)
  return %dq : tensor<1x4x5x8xf32>
}

// The smaller one has the derivative, and half of it at a tie.
// CHECK-LABEL: func @extremes
// CHECK: ^bb0(%[[S:[a-z0-9]+]]: f32, %{{[a-z0-9]+}}: index,
// CHECK: %[[TIE:.*]] = arith.cmpf oeq, %[[S]], %[[THREE:.*]] : f32
// CHECK: %[[SHARE:.*]] = arith.select %[[TIE]], %{{.*}}, %{{.*}} : f32
// CHECK: %[[LESS:.*]] = arith.cmpf ole, %[[S]], %[[THREE]] : f32
// CHECK: %[[D:.*]] = arith.select %[[LESS]], %[[SHARE]], %{{.*}} : f32
// CHECK-NEXT: seqc.yield %{{.*}}, %[[D]] : f32, f32
func.func @extremes(%t: tensor<1x4x5x8xf32>, %lse: tensor<1x4x5xf32>,
            %table: tensor<4xf32>) -> tensor<1x4x5x8xf32> {
  %dq, %dk, %dv = seqc.attention_backward query(%t) key(%t) value(%t)
      out(%t) lse(%lse) out_grad(%t) score {
      ^bb0(%s: f32, %b: index, %h: index, %i: index, %j: index):
        %c = arith.constant 3.0 : f32
        %r = arith.minimumf %s, %c : f32
        seqc.yield %r : f32
      }
    : (tensor<1x4x5x8xf32>, tensor<1x4x5x8xf32>, tensor<1x4x5x8xf32>,
       tensor<1x4x5x8xf32>, tensor<1x4x5xf32>, tensor<1x4x5x8xf32>)
    -> (tensor<1x4x5x8xf32>, tensor<1x4x5x8xf32>, tensor<1x4x5x8xf32>)
  return %dq : tensor<1x4x5x8xf32>
}

// A conversion converts the derivative back.
// CHECK-LABEL: func @narrow
// CHECK: %[[N:.*]] = arith.truncf %{{.*}} : f32 to f16
// CHECK: %[[SUM:.*]] = arith.addf %[[N]], %[[N]] : f16
// CHECK: %[[D:.*]] = arith.extf %[[SUM]] : f16 to f32
// CHECK-NEXT: seqc.yield %{{.*}}, %[[D]] : f32, f32
func.func @narrow(%t: tensor<1x4x5x8xf32>, %lse: tensor<1x4x5xf32>,
            %table: tensor<4xf32>) -> tensor<1x4x5x8xf32> {
  %dq, %dk, %dv = seqc.attention_backward query(%t) key(%t) value(%t)
      out(%t) lse(%lse) out_grad(%t) score {
      ^bb0(%s: f32, %b: index, %h: index, %i: index, %j: index):
        %n = arith.truncf %s : f32 to f16
        %m = arith.mulf %n, %n : f16
        %r = arith.extf %m : f16 to f32
        seqc.yield %r : f32
      }
    : (tensor<1x4x5x8xf32>, tensor<1x4x5x8xf32>, tensor<1x4x5x8xf32>,
       tensor<1x4x5x8xf32>, tensor<1x4x5xf32>, tensor<1x4x5x8xf32>)
    -> (tensor<1x4x5x8xf32>, tensor<1x4x5x8xf32>, tensor<1x4x5x8xf32>)
  return %dq : tensor<1x4x5x8xf32>
}
