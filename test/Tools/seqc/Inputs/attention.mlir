func.func @attend(
    %query: tensor<?x4x?x32xf32>,
    %key: tensor<?x2x?x32xf32>,
    %value: tensor<?x2x?x32xf32>
  ) -> (tensor<?x4x?x32xf32> {seqc.name = "out"},
        tensor<?x4x?xf32> {seqc.name = "lse"}) {
  %out, %lse = seqc.attention query(%query) key(%key) value(%value) causal
      : (tensor<?x4x?x32xf32>, tensor<?x2x?x32xf32>, tensor<?x2x?x32xf32>)
      -> (tensor<?x4x?x32xf32>, tensor<?x4x?xf32>)
  return %out, %lse : tensor<?x4x?x32xf32>, tensor<?x4x?xf32>
}
