// RUN: seqc-opt %s --split-input-file --seqc-recompute-backward --verify-diagnostics

// The bits of a score are no function to differentiate.
func.func @f(%t: tensor<1x4x5x8xf32>, %lse: tensor<1x4x5xf32>) -> tensor<1x4x5x8xf32> {
  %dq, %dk, %dv = seqc.attention_backward query(%t) key(%t) value(%t)
      out(%t) lse(%lse) out_grad(%t) score {
      ^bb0(%s: f32, %b: index, %h: index, %i: index, %j: index):
        // expected-error @+1 {{'arith.bitcast' op depends on the score and has no derivative that seqc knows: gradients cannot go through it}}
        %n = arith.bitcast %s : f32 to i32
        %r = arith.bitcast %n : i32 to f32
        seqc.yield %r : f32
      }
    : (tensor<1x4x5x8xf32>, tensor<1x4x5x8xf32>, tensor<1x4x5x8xf32>,
       tensor<1x4x5x8xf32>, tensor<1x4x5xf32>, tensor<1x4x5x8xf32>)
    -> (tensor<1x4x5x8xf32>, tensor<1x4x5x8xf32>, tensor<1x4x5x8xf32>)
  return %dq : tensor<1x4x5x8xf32>
}

// -----

// Nor is one that an inner region computes with.
func.func @f(%t: tensor<1x4x5x8xf32>, %lse: tensor<1x4x5xf32>) -> tensor<1x4x5x8xf32> {
  %dq, %dk, %dv = seqc.attention_backward query(%t) key(%t) value(%t)
      out(%t) lse(%lse) out_grad(%t) score {
      ^bb0(%s: f32, %b: index, %h: index, %i: index, %j: index):
        %c = arith.cmpi slt, %i, %j : index
        // expected-error @+1 {{'scf.if' op depends on the score and has no derivative that seqc knows: gradients cannot go through it}}
        %r = scf.if %c -> f32 {
          scf.yield %s : f32
        } else {
          %two = arith.addf %s, %s : f32
          scf.yield %two : f32
        }
        seqc.yield %r : f32
      }
    : (tensor<1x4x5x8xf32>, tensor<1x4x5x8xf32>, tensor<1x4x5x8xf32>,
       tensor<1x4x5x8xf32>, tensor<1x4x5xf32>, tensor<1x4x5x8xf32>)
    -> (tensor<1x4x5x8xf32>, tensor<1x4x5x8xf32>, tensor<1x4x5x8xf32>)
  return %dq : tensor<1x4x5x8xf32>
}
