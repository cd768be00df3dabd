// RUN: seqc-opt %s --pass-pipeline="builtin.module(func.func(seqc-online-softmax,seqc-tile{single-loop=true},cse),convert-seqc-to-tile,canonicalize,cse)" | FileCheck %s
// RUN: seqc-opt %s --pass-pipeline="builtin.module(func.func(seqc-online-softmax,seqc-tile{single-loop=true},cse),convert-seqc-to-tile)" --seqc-statistics -o /dev/null 2>&1 | FileCheck %s --check-prefix=STATS

// STATS: convert-seqc-to-tile{{$}}
// STATS-NEXT: 29 kernels-formed

// The whole kernel of a causal mask. Tensors are views of any strides whose rows
// are contiguous; sizes are those of the views. The last query tiles, which see
// most keys, come first. A score costs one fma and one exponential. Only the mask
// is conditional, and in it all that a row can see is one position.
//
// CHECK-LABEL: tile.kernel @causal_0(
// CHECK-SAME: %[[Q:[a-z0-9]+]]: memref<?x?x?x128xbf16, strided<[?, ?, ?, 1], offset: ?>>,
// CHECK-SAME: %[[K:[a-z0-9]+]]: memref<?x?x?x128xbf16, strided<[?, ?, ?, 1], offset: ?>>,
// CHECK-SAME: %[[V:[a-z0-9]+]]: memref<?x?x?x128xbf16, strided<[?, ?, ?, 1], offset: ?>>,
// CHECK-SAME: %[[O:[a-z0-9]+]]: memref<?x?x?x128xbf16, strided<[?, ?, ?, 1], offset: ?>>,
// CHECK-SAME: %[[LSE:[a-z0-9]+]]: memref<?x?x?xf32, strided<[?, ?, 1], offset: ?>>,
// CHECK-SAME: %[[X:[a-z0-9]+]]: index, %[[Y:[a-z0-9]+]]: index, %[[Z:[a-z0-9]+]]: index)
// CHECK-SAME: attributes {schedule = #seqc.schedule<tile_m = 128, tile_n = 64, stages = 3, warps = 8>, tile.stages = 3 : i64, warps = 8 : i64}
// CHECK-DAG: %[[ZERO:[a-z0-9_]+]] = arith.constant dense<0.000000e+00> : tensor<128x64xf32>
// CHECK-DAG: %[[ZEROS:[a-z0-9_]+]] = arith.constant dense<0.000000e+00> : tensor<128xf32>
// CHECK-DAG: %[[LOW:[a-z0-9_]+]] = arith.constant dense<0xFF800000> : tensor<128xf32>
// CHECK-DAG: %[[HIDDEN:[a-z0-9_]+]] = arith.constant dense<0xFF800000> : tensor<128x64xf32>
// 0.1275 = log2(e) / sqrt(128)
// CHECK-DAG: %[[C:[a-z0-9_]+]] = arith.constant dense<0.127517432> : tensor<128x64xf32>
// CHECK-DAG: %[[CROW:[a-z0-9_]+]] = arith.constant dense<0.127517432> : tensor<128xf32>
// CHECK-DAG: %[[SQ:[a-z0-9_]+]] = memref.dim %[[Q]], %c2
// CHECK-DAG: %[[SK:[a-z0-9_]+]] = memref.dim %[[K]], %c2
// CHECK: %[[LAST:[a-z0-9_]+]] = arith.subi %[[SQ]], %c1
// CHECK: %[[TILES:[a-z0-9_]+]] = arith.divui %[[LAST]], %c128
// CHECK: %[[TILE:[a-z0-9_]+]] = arith.subi %[[TILES]], %[[X]]
// CHECK: %[[I:[a-z0-9_]+]] = arith.muli %[[TILE]], %c128
// CHECK: %[[QT:[a-z0-9_]+]] = tile.load %[[Q]][%[[Z]], %[[Y]], %[[I]], %c0] : {{.*}} -> tensor<128x128xbf16>
// CHECK: %[[FULL_HI:[a-z0-9_]+]] = affine.apply
// CHECK: %[[HI:[a-z0-9_]+]] = affine.apply
// The key/value head of a query head is found once.
// CHECK: %[[GROUP:[a-z0-9_]+]] = arith.divui %{{.*}}, %{{.*}} : index
// CHECK: %[[G:[a-z0-9_]+]] = arith.divui %[[Y]], %[[GROUP]]
// CHECK: %[[R:[a-z0-9_]+]]:3 = scf.for %[[J:[a-z0-9_]+]] = %c0 to %[[HI]] step %c64 iter_args(%[[M:[a-z0-9_]+]] = %[[LOW]], %[[L:[a-z0-9_]+]] = %[[ZEROS]], %[[ACC:[a-z0-9_]+]] = %{{[a-z0-9_]+}}) -> (tensor<128xf32>, tensor<128xf32>, tensor<128x128xf32>) {
// CHECK-NEXT: %[[FULL:[a-z0-9_]+]] = arith.cmpi slt, %[[J]], %[[FULL_HI]]
// CHECK-NEXT: %[[KT:[a-z0-9_]+]] = tile.load %[[K]][%[[Z]], %[[G]], %[[J]], %c0] : {{.*}} -> tensor<64x128xbf16>
// CHECK-NEXT: %[[VT:[a-z0-9_]+]] = tile.load %[[V]][%[[Z]], %[[G]], %[[J]], %c0] : {{.*}} -> tensor<64x128xbf16>
// CHECK-NEXT: %[[S0:[a-z0-9_]+]] = tile.dot %[[QT]], %[[KT]], %[[ZERO]] transpose_b : tensor<128x128xbf16>, tensor<64x128xbf16>, tensor<128x64xf32>
// CHECK-NEXT: %[[S:[a-z0-9_]+]] = scf.if %[[FULL]] -> (tensor<128x64xf32>) {
// CHECK-NEXT: scf.yield %[[S0]]
// CHECK-NEXT: } else {
// CHECK: tile.iota 0 : tensor<64xi32>
// CHECK: tile.iota 0 : tensor<128xi32>
// CHECK: %[[SEEN:[a-z0-9_]+]] = arith.minsi {{.*}} : tensor<128xi32>
// CHECK-NEXT: %[[COL:[a-z0-9_]+]] = tile.broadcast %{{[a-z0-9_]+}} along 0 : tensor<64xi32> -> tensor<128x64xi32>
// CHECK-NEXT: %[[ROW:[a-z0-9_]+]] = tile.broadcast %[[SEEN]] along 1 : tensor<128xi32> -> tensor<128x64xi32>
// CHECK-NEXT: %[[VISIBLE:[a-z0-9_]+]] = arith.cmpi sle, %[[COL]], %[[ROW]]
// CHECK-NEXT: %[[MASKED:[a-z0-9_]+]] = arith.select %[[VISIBLE]], %[[S0]], %[[HIDDEN]]
// CHECK-NEXT: scf.yield %[[MASKED]]
// CHECK-NEXT: }
// CHECK-NEXT: %[[RAW:[a-z0-9_]+]] = tile.reduce max %[[S]] along 1
// CHECK-NEXT: %[[MT:[a-z0-9_]+]] = arith.mulf %[[RAW]], %[[CROW]]
// CHECK-NEXT: %[[M1:[a-z0-9_]+]] = arith.maxnumf %[[M]], %[[MT]]
// CHECK-NEXT: %[[NONE:[a-z0-9_]+]] = arith.cmpf oeq, %[[M1]], %[[LOW]]
// CHECK-NEXT: %[[SHIFT:[a-z0-9_]+]] = arith.select %[[NONE]], %[[ZEROS]], %[[M1]]
// CHECK-NEXT: %[[DOWN:[a-z0-9_]+]] = arith.subf %[[M]], %[[SHIFT]]
// CHECK-NEXT: %[[ALPHA:[a-z0-9_]+]] = math.exp2 %[[DOWN]]
// CHECK-NEXT: %[[NEG:[a-z0-9_]+]] = arith.negf %[[SHIFT]]
// CHECK-NEXT: %[[NEGS:[a-z0-9_]+]] = tile.broadcast %[[NEG]] along 1
// CHECK-NEXT: %[[EXP:[a-z0-9_]+]] = math.fma %[[S]], %[[C]], %[[NEGS]]
// CHECK-NEXT: %[[P:[a-z0-9_]+]] = math.exp2 %[[EXP]]
// CHECK-NEXT: %[[L0:[a-z0-9_]+]] = arith.mulf %[[L]], %[[ALPHA]]
// CHECK-NEXT: %[[PS:[a-z0-9_]+]] = tile.reduce add %[[P]] along 1
// CHECK-NEXT: %[[L1:[a-z0-9_]+]] = arith.addf %[[L0]], %[[PS]]
// CHECK-NEXT: %[[P16:[a-z0-9_]+]] = arith.truncf %[[P]] : tensor<128x64xf32> to tensor<128x64xbf16>
// CHECK-NEXT: %[[ALPHAS:[a-z0-9_]+]] = tile.broadcast %[[ALPHA]] along 1
// CHECK-NEXT: %[[ACC0:[a-z0-9_]+]] = arith.mulf %[[ACC]], %[[ALPHAS]]
// CHECK-NEXT: %[[ACC1:[a-z0-9_]+]] = tile.dot %[[P16]], %[[VT]], %[[ACC0]] : tensor<128x64xbf16>, tensor<64x128xbf16>, tensor<128x128xf32>
// CHECK-NEXT: scf.yield %[[M1]], %[[L1]], %[[ACC1]]
// CHECK-NEXT: }
// CHECK-NEXT: %[[EMPTY:[a-z0-9_]+]] = arith.cmpf oeq, %[[R]]#1, %[[ZEROS]]
// CHECK-NEXT: %[[INV:[a-z0-9_]+]] = arith.divf %{{[a-z0-9_]+}}, %[[R]]#1
// CHECK-NEXT: %[[FACTOR:[a-z0-9_]+]] = arith.select %[[EMPTY]], %[[ZEROS]], %[[INV]]
// CHECK-NEXT: %[[FACTORS:[a-z0-9_]+]] = tile.broadcast %[[FACTOR]] along 1
// CHECK-NEXT: %[[OUT:[a-z0-9_]+]] = arith.mulf %[[R]]#2, %[[FACTORS]]
// CHECK-NEXT: %[[O16:[a-z0-9_]+]] = arith.truncf %[[OUT]]
// CHECK-NEXT: %[[LOG:[a-z0-9_]+]] = math.log2 %[[R]]#1
// CHECK-NEXT: %[[LSE2:[a-z0-9_]+]] = arith.addf %[[R]]#0, %[[LOG]]
// CHECK-NEXT: %[[LSET:[a-z0-9_]+]] = arith.mulf %[[LSE2]], %{{[a-z0-9_]+}}
// CHECK-NEXT: tile.store %[[O16]], %[[O]][%[[Z]], %[[Y]], %[[I]], %c0]
// CHECK-NEXT: tile.store %[[LSET]], %[[LSE]][%[[Z]], %[[Y]], %[[I]]]
// CHECK-NEXT: tile.return

// The host knows sizes and launches: query tiles, heads, batch.
// CHECK-LABEL: func.func @causal(
// CHECK-SAME: %[[HQ:[a-z0-9]+]]: tensor<{{.*}}>, %[[HK:[a-z0-9]+]]: tensor<{{.*}}>, %[[HV:[a-z0-9]+]]: tensor
// CHECK-DAG: %[[NB:[a-z0-9_]+]] = tensor.dim %[[HQ]], %c0
// CHECK-DAG: %[[NH:[a-z0-9_]+]] = tensor.dim %[[HQ]], %c1
// CHECK-DAG: %[[NQ:[a-z0-9_]+]] = tensor.dim %[[HQ]], %c2
// CHECK: %[[GX:[a-z0-9_]+]] = affine.apply #{{.*}}()[%[[NQ]]]
// CHECK-DAG: %[[E0:[a-z0-9_]+]] = tensor.empty(%[[NB]], %[[NH]], %[[NQ]]) : tensor<?x?x?x128xbf16>
// CHECK-DAG: %[[E1:[a-z0-9_]+]] = tensor.empty(%[[NB]], %[[NH]], %[[NQ]]) : tensor<?x?x?xf32>
// CHECK-NEXT: %[[RES:[a-z0-9_]+]]:2 = tile.launch @causal_0 grid(%[[GX]], %[[NH]], %[[NB]]) ins(%[[HQ]], %[[HK]], %[[HV]] : {{.*}}) outs(%[[E0]], %[[E1]] : {{.*}})
// CHECK-NEXT: return %[[RES]]#0, %[[RES]]#1
func.func @causal(%q: tensor<?x?x?x128xbf16>, %k: tensor<?x?x?x128xbf16>,
                  %v: tensor<?x?x?x128xbf16>)
    -> (tensor<?x?x?x128xbf16>, tensor<?x?x?xf32>) {
  %o, %lse = seqc.attention query(%q) key(%k) value(%v) causal
      {schedule = #seqc.schedule<tile_m = 128, tile_n = 64, stages = 3, warps = 8>}
      : (tensor<?x?x?x128xbf16>, tensor<?x?x?x128xbf16>, tensor<?x?x?x128xbf16>)
      -> (tensor<?x?x?x128xbf16>, tensor<?x?x?xf32>)
  return %o, %lse : tensor<?x?x?x128xbf16>, tensor<?x?x?xf32>
}

// Without a mask that depends on the query no order of the tiles is better.
// Static sizes are in the types. Nothing is
// masked. There is no log-sum-exp without a result for it.
// CHECK-LABEL: tile.kernel @full_0(
// CHECK-SAME: memref<2x8x256x64xf16, strided<[?, ?, ?, 1], offset: ?>>
// CHECK: %[[I:[a-z0-9_]+]] = arith.muli %{{[a-z0-9_]+}}, %c64
// CHECK: scf.for
// CHECK-NOT: scf.if
// CHECK-NOT: arith.cmpi
// CHECK-NOT: math.log2
// CHECK: tile.return
// CHECK: tile.launch @full_0 grid(%c4, %c8, %c2)
func.func @full(%q: tensor<2x8x256x64xf16>) -> tensor<2x8x256x64xf16> {
  %o = seqc.attention query(%q) key(%q) value(%q)
      : (tensor<2x8x256x64xf16>, tensor<2x8x256x64xf16>, tensor<2x8x256x64xf16>)
      -> tensor<2x8x256x64xf16>
  return %o : tensor<2x8x256x64xf16>
}

// One tile is all: the initial state, which CSE finds outside, is not an
// argument.
// CHECK-LABEL: tile.kernel @one_tile_0(
// CHECK-SAME: %{{[a-z0-9]+}}: memref<1x1x64x64xf16, {{[^%]*}}>, %{{[a-z0-9]+}}: memref<1x1x64x64xf16, {{[^%]*}}>, %{{[a-z0-9]+}}: index
// CHECK-NOT: scf.for
// CHECK: tile.return
func.func @one_tile(%q: tensor<1x1x64x64xf16>) -> tensor<1x1x64x64xf16> {
  %o = seqc.attention query(%q) key(%q) value(%q)
      : (tensor<1x1x64x64xf16>, tensor<1x1x64x64xf16>, tensor<1x1x64x64xf16>)
      -> tensor<1x1x64x64xf16>
  return %o : tensor<1x1x64x64xf16>
}

// Only the key length: known for each column, so it costs nothing per row.
// CHECK-LABEL: tile.kernel @key_length_0(
// CHECK: scf.if
// CHECK: } else {
// CHECK: %[[IN:[a-z0-9_]+]] = arith.cmpi sle, {{.*}} : tensor<64xi32>
// CHECK-NEXT: tile.broadcast %[[IN]] along 0 : tensor<64xi1> -> tensor<64x64xi1>
func.func @key_length(%q: tensor<?x8x?x64xf16>, %k: tensor<?x8x?x64xf16>)
    -> tensor<?x8x?x64xf16> {
  %o = seqc.attention query(%q) key(%k) value(%k)
      : (tensor<?x8x?x64xf16>, tensor<?x8x?x64xf16>, tensor<?x8x?x64xf16>)
      -> tensor<?x8x?x64xf16>
  return %o : tensor<?x8x?x64xf16>
}

// A head_dim of 72 is padded with zeros to 80, and one of 40 to 48. The store
// drops what is past the view.
// CHECK-LABEL: tile.kernel @head_dim_0(
// CHECK: tile.load {{.*}} : memref<?x8x?x72xbf16, {{.*}}> -> tensor<64x80xbf16>
// CHECK: scf.for {{.*}} -> (tensor<64xf32>, tensor<64xf32>, tensor<64x48xf32>)
// CHECK: tile.load {{.*}} : memref<?x8x?x72xbf16, {{.*}}> -> tensor<64x80xbf16>
// CHECK: tile.load {{.*}} : memref<?x8x?x40xbf16, {{.*}}> -> tensor<64x48xbf16>
// CHECK: tile.dot {{.*}} transpose_b : tensor<64x80xbf16>, tensor<64x80xbf16>, tensor<64x64xf32>
// CHECK: tile.dot {{.*}} : tensor<64x64xbf16>, tensor<64x48xbf16>, tensor<64x48xf32>
// CHECK: tile.store {{.*}} : tensor<64x48xbf16>, memref<?x8x?x40xbf16, {{.*}}>
func.func @head_dim(%q: tensor<?x8x?x72xbf16>, %v: tensor<?x8x?x40xbf16>)
    -> tensor<?x8x?x40xbf16> {
  %o = seqc.attention query(%q) key(%q) value(%v)
      : (tensor<?x8x?x72xbf16>, tensor<?x8x?x72xbf16>, tensor<?x8x?x40xbf16>)
      -> tensor<?x8x?x40xbf16>
  return %o : tensor<?x8x?x40xbf16>
}

// f32 stays f32.
// CHECK-LABEL: tile.kernel @f32_0(
// CHECK-NOT: arith.truncf
// CHECK: tile.dot {{.*}} : tensor<64x64xf32>, tensor<64x64xf32>, tensor<64x64xf32>
// CHECK-NOT: arith.truncf
// CHECK: tile.return
func.func @f32(%q: tensor<?x8x?x64xf32>) -> tensor<?x8x?x64xf32> {
  %o = seqc.attention query(%q) key(%q) value(%q)
      : (tensor<?x8x?x64xf32>, tensor<?x8x?x64xf32>, tensor<?x8x?x64xf32>)
      -> tensor<?x8x?x64xf32>
  return %o : tensor<?x8x?x64xf32>
}

// A scale that is not positive turns a maximum into a minimum: scores are scaled
// one by one.
// CHECK-LABEL: tile.kernel @negative_scale_0(
// CHECK: %[[S0:[a-z0-9_]+]] = tile.dot
// CHECK: arith.mulf %[[S0]]
// CHECK-NOT: math.fma
// CHECK: tile.return
func.func @negative_scale(%q: tensor<?x8x?x64xf16>) -> tensor<?x8x?x64xf16> {
  %o = seqc.attention query(%q) key(%q) value(%q) scale(-0.5)
      : (tensor<?x8x?x64xf16>, tensor<?x8x?x64xf16>, tensor<?x8x?x64xf16>)
      -> tensor<?x8x?x64xf16>
  return %o : tensor<?x8x?x64xf16>
}

// Segments of the queries are read once, those of the keys one after the other
// and in front of the product, where a tile is not full. What they hide is what
// the mask hides.
// CHECK-LABEL: tile.kernel @segments_0(
// CHECK-DAG: %[[QS:[a-z0-9_]+]] = tile.load {{.*}} : memref<?x?xi32, strided<[?, ?], offset: ?>> -> tensor<64xi32>
// CHECK-COUNT-5: memref.load %{{.*}} : memref<?x?xi32, strided<[?, ?], offset: ?>>
// CHECK: scf.for
// CHECK: %[[KS:[a-z0-9_]+]] = scf.if %[[FULL:[a-z0-9_]+]] -> (tensor<64xi32>) {
// CHECK-NEXT: scf.yield
// CHECK-NEXT: } else {
// CHECK-NEXT: tile.load {{.*}} : memref<?x?xi32, strided<[?, 1], offset: ?>> -> tensor<64xi32>
// CHECK: tile.dot
// CHECK-NEXT: scf.if %[[FULL]]
// CHECK-NEXT: scf.yield
// CHECK-NEXT: } else {
// CHECK: %[[QSB:[a-z0-9_]+]] = tile.broadcast %[[QS]] along 1
// CHECK: %[[KSB:[a-z0-9_]+]] = tile.broadcast %[[KS]] along 0
// CHECK: arith.cmpi eq, %[[QSB]], %[[KSB]]
// CHECK: tile.dot
// CHECK: tile.return
// The smallest and the largest id of each tile, and what follows for the loop.
// CHECK-LABEL: tile.kernel @segments_1(
// CHECK: tile.gather
// CHECK: tile.reduce max
// CHECK: tile.reduce max
// CHECK-LABEL: tile.kernel @segments_2(
// CHECK-LABEL: tile.kernel @segments_3(
// CHECK-COUNT-4: tile.reduce max
// CHECK: tile.reduce add
// CHECK: func.func @segments(
// CHECK: %[[Q:[a-z0-9_]+]]:2 = tile.launch @segments_1
// CHECK: %[[K:[a-z0-9_]+]]:2 = tile.launch @segments_2
// CHECK: %[[B:[a-z0-9_]+]]:5 = tile.launch @segments_3 grid({{.*}}) ins(%[[Q]]#0, %[[Q]]#1, %[[K]]#0, %[[K]]#1 :
// CHECK: tile.launch @segments_0 grid({{.*}}) ins({{.*}}%[[B]]#0, %[[B]]#1, %[[B]]#2, %[[B]]#3, %[[B]]#4
func.func @segments(%q: tensor<?x8x?x64xf16>, %k: tensor<?x2x?x64xf16>,
                    %qs: tensor<?x?xi32>, %ks: tensor<?x?xi32>)
    -> tensor<?x8x?x64xf16> {
  %o = seqc.attention query(%q) key(%k) value(%k) segments(%qs, %ks)
      : (tensor<?x8x?x64xf16>, tensor<?x2x?x64xf16>, tensor<?x2x?x64xf16>,
         tensor<?x?xi32>, tensor<?x?xi32>) -> tensor<?x8x?x64xf16>
  return %o : tensor<?x8x?x64xf16>
}

// A soft cap bounds the scores of bf16 queries: no maximum, nothing is rescaled.
// CHECK-LABEL: tile.kernel @capped_0(
// CHECK: scf.for
// CHECK: math.tanh
// CHECK-NOT: tile.reduce max
// CHECK: math.exp2
// CHECK: tile.reduce add
// CHECK-NOT: arith.maxnumf
// CHECK: tile.return
func.func @capped(%q: tensor<?x8x?x64xbf16>) -> tensor<?x8x?x64xbf16> {
  %o = seqc.attention query(%q) key(%q) value(%q) score {
    ^bb0(%s: f32, %b: index, %h: index, %i: index, %j: index):
      %cap = arith.constant 30.0 : f32
      %x = arith.divf %s, %cap : f32
      %t = math.tanh %x : f32
      %r = arith.mulf %t, %cap : f32
      seqc.yield %r : f32
    } : (tensor<?x8x?x64xbf16>, tensor<?x8x?x64xbf16>, tensor<?x8x?x64xbf16>)
      -> tensor<?x8x?x64xbf16>
  return %o : tensor<?x8x?x64xbf16>
}

// A prefix under a causal mask moves the last key that a row sees.
// CHECK-LABEL: tile.kernel @prefix_0(
// CHECK-SAME: %[[PREFIX:[a-z0-9]+]]: memref<2xi32, strided<[?], offset: ?>>
// CHECK: memref.load %[[PREFIX]][%{{[a-z0-9]+}}] : memref<2xi32, strided<[?], offset: ?>>
// CHECK: scf.for {{.*}} iter_args(%[[M:[a-z0-9_]+]] = %{{[a-z0-9_]+}}, %[[L:[a-z0-9_]+]] = %{{[a-z0-9_]+}}, %[[A:[a-z0-9_]+]] = %{{[a-z0-9_]+}})
// CHECK: tile.load
// CHECK-NEXT: scf.if
// CHECK-NEXT: scf.yield %[[M]], %[[L]], %[[A]]
// CHECK-NEXT: } else {
// CHECK-NEXT: tile.dot
// CHECK-NEXT: scf.if
// CHECK: } else {
// CHECK: arith.maxsi {{.*}} : tensor<64xi32>
// CHECK: arith.minsi {{.*}} : tensor<64xi32>
// CHECK: arith.cmpi sle, {{.*}} : tensor<64x64xi32>
// CHECK-NOT: arith.cmpi
// CHECK: tile.return
func.func @prefix(%q: tensor<2x8x512x64xf16>, %p: tensor<2xi32>)
    -> tensor<2x8x512x64xf16> {
  %o = seqc.attention query(%q) key(%q) value(%q) prefix(%p) causal
      : (tensor<2x8x512x64xf16>, tensor<2x8x512x64xf16>, tensor<2x8x512x64xf16>,
         tensor<2xi32>) -> tensor<2x8x512x64xf16>
  return %o : tensor<2x8x512x64xf16>
}

// A window has two sides, and beside a prefix a gap.
// CHECK-LABEL: tile.kernel @window_0(
// CHECK: %[[LEFT:[a-z0-9_]+]] = arith.cmpi sge, {{.*}} : tensor<64x64xi32>
// CHECK: %[[RIGHT:[a-z0-9_]+]] = arith.cmpi sle, {{.*}} : tensor<64x64xi32>
// CHECK: %[[BAND:[a-z0-9_]+]] = arith.andi %[[LEFT]], %[[RIGHT]]
// CHECK: arith.ori %[[BAND]], %{{.*}} : tensor<64x64xi1>
func.func @window(%q: tensor<2x8x512x64xf16>, %p: tensor<2xi32>)
    -> tensor<2x8x512x64xf16> {
  %o = seqc.attention query(%q) key(%q) value(%q) prefix(%p)
      causal window_left(100)
      : (tensor<2x8x512x64xf16>, tensor<2x8x512x64xf16>, tensor<2x8x512x64xf16>,
         tensor<2xi32>) -> tensor<2x8x512x64xf16>
  return %o : tensor<2x8x512x64xf16>
}

// A bias that is the same for all queries is brought into base 2 as a row; each
// score costs one fma more. Sinks are one scalar per head.
// CHECK-LABEL: tile.kernel @bias_0(
// CHECK: %[[B:[a-z0-9_]+]] = tile.load {{.*}} : memref<1x8x1x?xbf16, strided<[?, ?, ?, ?], offset: ?>> -> tensor<64xbf16>
// CHECK: %[[S0:[a-z0-9_]+]] = tile.dot
// CHECK: %[[B32:[a-z0-9_]+]] = arith.extf %[[B]]
// CHECK: %[[B2:[a-z0-9_]+]] = arith.mulf %[[B32]], %{{[a-z0-9_]+}} : tensor<64xf32>
// CHECK: %[[BB:[a-z0-9_]+]] = tile.broadcast %[[B2]] along 0
// CHECK: math.fma %[[S0]], %{{[a-z0-9_]+}}, %[[BB]]
// CHECK: memref.load {{.*}} : memref<8xf32, strided<[?], offset: ?>>
func.func @bias(%q: tensor<?x8x?x64xbf16>, %k: tensor<?x8x?x64xbf16>,
                %bias: tensor<1x8x1x?xbf16>, %sinks: tensor<8xf32>)
    -> tensor<?x8x?x64xbf16> {
  %o = seqc.attention query(%q) key(%k) value(%k) bias(%bias) sinks(%sinks)
      : (tensor<?x8x?x64xbf16>, tensor<?x8x?x64xbf16>, tensor<?x8x?x64xbf16>,
         tensor<1x8x1x?xbf16>, tensor<8xf32>) -> tensor<?x8x?x64xbf16>
  return %o : tensor<?x8x?x64xbf16>
}

// A bias per query: the dimension that it varies along is not the last one.
// It is read once, moves the maximum, and is not added to any score. Where there
// is no maximum yet it does not count, even if it is infinite.
// CHECK-LABEL: tile.kernel @row_bias_0(
// CHECK: tile.load %{{.*}}[{{.*}}] dims [2] : memref<1x8x?x1xbf16, {{.*}}> -> tensor<64xbf16>
// CHECK: scf.for
// CHECK: %[[X:[a-z0-9_]+]] = tile.reduce max
// CHECK: %[[C:[a-z0-9_]+]] = arith.mulf %[[X]]
// CHECK: %[[T:[a-z0-9_]+]] = arith.addf %[[C]], %[[R:[a-z0-9_]+]] : tensor<64xf32>
// CHECK: %[[M:[a-z0-9_]+]] = arith.maxnumf %{{.*}}, %[[T]]
// CHECK: %[[NONE:[a-z0-9_]+]] = arith.cmpf oeq, %[[M]]
// CHECK: %[[DOWN:[a-z0-9_]+]] = arith.subf %[[M]], %[[R]] : tensor<64xf32>
// CHECK: arith.select %[[NONE]], %{{.*}}, %[[DOWN]]
func.func @row_bias(%q: tensor<?x8x?x64xbf16>, %bias: tensor<1x8x?x1xbf16>)
    -> tensor<?x8x?x64xbf16> {
  %o = seqc.attention query(%q) key(%q) value(%q) bias(%bias)
      : (tensor<?x8x?x64xbf16>, tensor<?x8x?x64xbf16>, tensor<?x8x?x64xbf16>,
         tensor<1x8x?x1xbf16>) -> tensor<?x8x?x64xbf16>
  return %o : tensor<?x8x?x64xbf16>
}

// ALiBi: a slope per head is a scalar, read before the loop. slope (j - i) is
// linear in both positions: the product starts with a ramp along columns, from
// the distance of the tiles, and one along rows, and its scores are plain ones.
// They are largest at the end, so the loop goes backwards. 8 is 1 / scale.
// CHECK-LABEL: tile.kernel @alibi_0(
// CHECK-SAME: %[[SLOPES:[a-z0-9]+]]: memref<8xf32, strided<[?], offset: ?>>
// CHECK-DAG: %[[INVERSE:[a-z0-9_]+]] = arith.constant 8.0{{0*}}e+00 : f32
// CHECK: %[[NUMBER:[a-z0-9_]+]] = arith.subi %[[HI:[a-z0-9_]+]], %c1 : index
// CHECK: %[[TILES:[a-z0-9_]+]] = arith.divui %[[NUMBER]], %c64 : index
// CHECK: %[[LAST:[a-z0-9_]+]] = arith.muli %[[TILES]], %c64 : index
// CHECK: %[[SLOPE:[a-z0-9_]+]] = memref.load %[[SLOPES]]
// CHECK: %[[SLOPE8:[a-z0-9_]+]] = arith.mulf %[[SLOPE]], %[[INVERSE]] : f32
// CHECK: %[[DOWN:[a-z0-9_]+]] = arith.mulf %[[SLOPE8]], %{{.*}} : f32
// CHECK: %[[ROWS:[a-z0-9_]+]] = tile.ramp %{{.*}}, %[[DOWN]] along 0 : tensor<64xf32>
// CHECK: %[[WIDE:[a-z0-9_]+]] = tile.broadcast %[[ROWS]] along 1
// CHECK: scf.for %[[PASSED:[a-z0-9_]+]] = %{{.*}} to %[[HI]] step
// CHECK: %[[J:[a-z0-9_]+]] = arith.subi %[[LAST]], %[[PASSED]] : index
// CHECK: tile.load %{{.*}}[%{{.*}}, %{{.*}}, %[[J]], %c0]
// CHECK: %[[D:[a-z0-9_]+]] = arith.subi %[[J]], %{{.*}} : index
// CHECK: %[[D32:[a-z0-9_]+]] = arith.index_cast %[[D]] : index to i32
// CHECK: %[[F:[a-z0-9_]+]] = arith.sitofp %[[D32]] : i32 to f32
// CHECK: %[[START:[a-z0-9_]+]] = arith.mulf %[[F]], %[[SLOPE8]] : f32
// CHECK: %[[COLUMNS:[a-z0-9_]+]] = tile.ramp %[[START]], %[[SLOPE8]] along 0 : tensor<64xf32>
// CHECK: %[[HIGH:[a-z0-9_]+]] = tile.broadcast %[[COLUMNS]] along 0
// CHECK: %[[SUM:[a-z0-9_]+]] = arith.addf %[[HIGH]], %[[WIDE]]
// CHECK: %[[S:[a-z0-9_]+]] = tile.dot %{{.*}}, %{{.*}}, %[[SUM]] transpose_b
// CHECK: scf.if {{.*}} -> (tensor<64x64xf32>)
// CHECK-NEXT: scf.yield %[[S]]
// CHECK: %[[MAX:[a-z0-9_]+]] = tile.reduce max
// CHECK-NEXT: arith.mulf %[[MAX]]
// CHECK-NOT: arith.addf {{.*}} : tensor<64x64xf32>
// CHECK: tile.return
func.func @alibi(%q: tensor<2x8x512x64xf16>, %slopes: tensor<8xf32>)
    -> tensor<2x8x512x64xf16> {
  %o = seqc.attention query(%q) key(%q) value(%q) causal
      score {
      ^bb0(%s: f32, %b: index, %h: index, %i: index, %j: index):
        %slope = tensor.extract %slopes[%h] : tensor<8xf32>
        %d = arith.subi %j, %i : index
        %d32 = arith.index_cast %d : index to i32
        %f = arith.sitofp %d32 : i32 to f32
        %t = arith.mulf %slope, %f : f32
        %r = arith.addf %s, %t : f32
        seqc.yield %r : f32
      } : (tensor<2x8x512x64xf16>, tensor<2x8x512x64xf16>,
           tensor<2x8x512x64xf16>) -> tensor<2x8x512x64xf16>
  return %o : tensor<2x8x512x64xf16>
}

// With another term that keys have, positions are added after the product: a
// ramp from the distance of the tiles along columns, and the rows' part moves
// the maximum. Falling scores are largest at the start: the loop goes forwards.
// CHECK-LABEL: tile.kernel @falling_0(
// CHECK: %[[ROWS:[a-z0-9_]+]] = tile.ramp %{{.*}}, %{{.*}} along 0 : tensor<64xf32>
// CHECK: scf.for %[[J:[a-z0-9_]+]] =
// CHECK: tile.load %{{.*}}[%{{.*}}, %{{.*}}, %[[J]], %c0]
// CHECK: %[[S:[a-z0-9_]+]] = tile.dot %{{.*}}, %{{.*}}, %cst{{.*}} transpose_b
// CHECK: %[[COLUMNS:[a-z0-9_]+]] = tile.ramp %{{.*}} along 0 : tensor<64xf32>
// CHECK: %[[BIAS:[a-z0-9_]+]] = math.fma %{{.*}}, %{{.*}}, %[[COLUMNS]] : tensor<64xf32>
// CHECK: %[[WIDE:[a-z0-9_]+]] = tile.broadcast %[[BIAS]] along 0
// CHECK: math.fma %[[S]], %{{.*}}, %[[WIDE]] : tensor<64x64xf32>
// CHECK: %[[MAX:[a-z0-9_]+]] = tile.reduce max
// CHECK-NEXT: arith.addf %[[MAX]], %[[ROWS]]
func.func @falling(%q: tensor<2x8x512x64xf16>, %bias: tensor<1x8x1x512xf32>)
    -> tensor<2x8x512x64xf16> {
  %o = seqc.attention query(%q) key(%q) value(%q) bias(%bias)
      score {
      ^bb0(%s: f32, %b: index, %h: index, %i: index, %j: index):
        %d = arith.subi %i, %j : index
        %d32 = arith.index_cast %d : index to i32
        %f = arith.sitofp %d32 : i32 to f32
        %slope = arith.constant 0.125 : f32
        %t = arith.mulf %slope, %f : f32
        %r = arith.addf %s, %t : f32
        seqc.yield %r : f32
      } : (tensor<2x8x512x64xf16>, tensor<2x8x512x64xf16>,
           tensor<2x8x512x64xf16>, tensor<1x8x1x512xf32>)
          -> tensor<2x8x512x64xf16>
  return %o : tensor<2x8x512x64xf16>
}

// A scale that positions cannot be divided by leaves them where they are.
// CHECK-LABEL: tile.kernel @tiny_scale_0(
// CHECK: %[[S:[a-z0-9_]+]] = tile.dot %{{.*}}, %{{.*}}, %cst{{.*}} transpose_b
// CHECK: math.fma %[[S]], %{{.*}}, %{{.*}} : tensor<64x64xf32>
func.func @tiny_scale(%q: tensor<2x8x512x64xf16>) -> tensor<2x8x512x64xf16> {
  %o = seqc.attention query(%q) key(%q) value(%q) scale(1.0e-30)
      score {
      ^bb0(%s: f32, %b: index, %h: index, %i: index, %j: index):
        %d = arith.subi %j, %i : index
        %d32 = arith.index_cast %d : index to i32
        %f = arith.sitofp %d32 : i32 to f32
        %r = arith.addf %s, %f : f32
        seqc.yield %r : f32
      } : (tensor<2x8x512x64xf16>, tensor<2x8x512x64xf16>,
         tensor<2x8x512x64xf16>) -> tensor<2x8x512x64xf16>
  return %o : tensor<2x8x512x64xf16>
}

// The distance on both sides is one sum for each score, of a row's ramp and a
// column's.
// CHECK-LABEL: tile.kernel @distance_0(
// CHECK: scf.for
// CHECK-NOT: arith.sitofp {{.*}} : tensor
// CHECK-NOT: tile.iota
// CHECK: %[[D:[a-z0-9_]+]] = arith.addf {{.*}} : tensor<64x64xf32>
// CHECK: %[[A:[a-z0-9_]+]] = math.absf %[[D]]
// CHECK: %[[T:[a-z0-9_]+]] = math.fma
// CHECK: tile.reduce max
func.func @distance(%q: tensor<2x8x512x64xf16>)
    -> tensor<2x8x512x64xf16> {
  %o = seqc.attention query(%q) key(%q) value(%q)
      score {
      ^bb0(%s: f32, %b: index, %h: index, %i: index, %j: index):
        %d = arith.subi %j, %i : index
        %c0 = arith.constant 0 : index
        %isBefore = arith.cmpi slt, %d, %c0 : index
        %e = arith.subi %c0, %d : index
        %a = arith.select %isBefore, %e, %d : index
        %n = arith.index_cast %a : index to i64
        %f = arith.sitofp %n : i64 to f32
        %slope = arith.constant -0.1 : f32
        %t = arith.mulf %slope, %f : f32
        %r = arith.addf %s, %t : f32
        seqc.yield %r : f32
      } : (tensor<2x8x512x64xf16>, tensor<2x8x512x64xf16>,
           tensor<2x8x512x64xf16>) -> tensor<2x8x512x64xf16>
  return %o : tensor<2x8x512x64xf16>
}

// Soft capping: one product before tanh (0.125 / 32), none after, as it is part
// of the exponent (32 log2(e)). With 16-bit operands functions may be as
// precise as those are.
// CHECK-LABEL: tile.kernel @softcap_0(
// CHECK-DAG: %[[IN:[a-z0-9_]+]] = arith.constant dense<3.906250e-03> : tensor<64x64xf32>
// CHECK-DAG: %[[OUT:[a-z0-9_]+]] = arith.constant dense<46.1662407> : tensor<64x64xf32>
// CHECK: %[[S:[a-z0-9_]+]] = tile.dot
// CHECK-NEXT: %[[X:[a-z0-9_]+]] = arith.mulf %[[S]], %[[IN]]
// CHECK-NEXT: %[[T:[a-z0-9_]+]] = math.tanh %[[X]] fastmath<arcp,afn>
// CHECK-NEXT: %[[MAX:[a-z0-9_]+]] = tile.reduce max %[[T]]
// CHECK: math.fma %[[T]], %[[OUT]], %{{.*}}
func.func @softcap(%q: tensor<2x8x512x64xf16>) -> tensor<2x8x512x64xf16> {
  %o = seqc.attention query(%q) key(%q) value(%q)
      score {
      ^bb0(%s: f32, %b: index, %h: index, %i: index, %j: index):
        %cap = arith.constant 32.0 : f32
        %x = arith.divf %s, %cap : f32
        %t = math.tanh %x : f32
        %r = arith.mulf %t, %cap : f32
        seqc.yield %r : f32
      } : (tensor<2x8x512x64xf16>, tensor<2x8x512x64xf16>,
           tensor<2x8x512x64xf16>) -> tensor<2x8x512x64xf16>
  return %o : tensor<2x8x512x64xf16>
}

// In f32 functions are accurate, and a division that is not by a power of two
// stays one.
// CHECK-LABEL: tile.kernel @softcap32_0(
// CHECK: %[[X:[a-z0-9_]+]] = arith.divf
// CHECK-NEXT: math.tanh %[[X]] : tensor
func.func @softcap32(%q: tensor<2x8x512x64xf32>) -> tensor<2x8x512x64xf32> {
  %o = seqc.attention query(%q) key(%q) value(%q)
      score {
      ^bb0(%s: f32, %b: index, %h: index, %i: index, %j: index):
        %cap = arith.constant 30.0 : f32
        %x = arith.divf %s, %cap : f32
        %t = math.tanh %x : f32
        %r = arith.mulf %t, %cap : f32
        seqc.yield %r : f32
      } : (tensor<2x8x512x64xf32>, tensor<2x8x512x64xf32>,
           tensor<2x8x512x64xf32>) -> tensor<2x8x512x64xf32>
  return %o : tensor<2x8x512x64xf32>
}

// A table of distances is gathered from; both sides of the branch are computed,
// and a choice is made. A captured scalar is an argument, and what the graph
// computed from it is computed in the kernel.
// CHECK-LABEL: tile.kernel @table_0(
// CHECK-SAME: %[[TABLE:[a-z0-9]+]]: memref<8x?xf32, strided<[?, ?], offset: ?>>, %[[CAP:[a-z0-9]+]]: f32
// CHECK: %[[TWICE:[a-z0-9_]+]] = arith.mulf %[[CAP]], %{{.*}} : f32
// CHECK: tensor.splat %[[TWICE]]
// CHECK: scf.for
// CHECK: %[[NEG:[a-z0-9_]+]] = arith.cmpi slt, {{.*}} : tensor<64x64xi32>
// CHECK: %[[G:[a-z0-9_]+]] = tile.gather %[[TABLE]][%{{.*}}, %{{.*}}] : {{.*}} tensor<64x64xi32>, tensor<64x64xi32> -> tensor<64x64xf32>
// CHECK: arith.select %[[NEG]], %{{.*}}, %[[G]]
// CHECK: math.tanh
// CHECK: tile.launch @table_0 {{.*}} ins({{.*}} : tensor<?x8x?x64xf32>, tensor<8x?xf32>, f32)
func.func @table(%q: tensor<?x8x?x64xf32>, %table: tensor<8x?xf32>, %cap: f32)
    -> tensor<?x8x?x64xf32> {
  %c2 = arith.constant 2.0 : f32
  %twice = arith.mulf %cap, %c2 : f32
  %o = seqc.attention query(%q) key(%q) value(%q)
      score {
      ^bb0(%s: f32, %b: index, %h: index, %i: index, %j: index):
        %d = arith.subi %i, %j : index
        %c0 = arith.constant 0 : index
        %negative = arith.cmpi slt, %d, %c0 : index
        %r = scf.if %negative -> f32 {
          scf.yield %c2 : f32
        } else {
          %t = tensor.extract %table[%h, %d] : tensor<8x?xf32>
          scf.yield %t : f32
        }
        %x = arith.addf %s, %r : f32
        %y = arith.divf %x, %twice : f32
        %z = math.tanh %y : f32
        seqc.yield %z : f32
      } : (tensor<?x8x?x64xf32>, tensor<?x8x?x64xf32>, tensor<?x8x?x64xf32>)
      -> tensor<?x8x?x64xf32>
  return %o : tensor<?x8x?x64xf32>
}

// A mask region. Documents are read per row and per column; a product of
// positions needs 64 bits.
// CHECK-LABEL: tile.kernel @mask_0(
// CHECK-SAME: %[[DOC:[a-z0-9]+]]: memref<?xi32, strided<[?], offset: ?>>, %[[N:[a-z0-9]+]]: index
// The rows' documents are the same for all tiles of keys.
// CHECK: tile.gather %[[DOC]][%{{.*}}] : {{.*}}, tensor<64xi64> -> tensor<64xi32>
// CHECK: arith.muli {{.*}} : tensor<64xi64>
// CHECK: scf.for
// CHECK: tile.gather %[[DOC]][%{{.*}}] : {{.*}}, tensor<64xi64> -> tensor<64xi32>
// CHECK: arith.cmpi eq, {{.*}} : tensor<64x64xi32>
// CHECK: arith.andi
// CHECK: arith.select {{.*}} : tensor<64x64xi1>, tensor<64x64xf32>
func.func @mask(%q: tensor<?x8x?x64xf16>, %doc: tensor<?xi32>, %n: index)
    -> tensor<?x8x?x64xf16> {
  %o = seqc.attention query(%q) key(%q) value(%q)
      mask {
      ^bb0(%b: index, %h: index, %i: index, %j: index):
        %end = arith.muli %i, %n : index
        %before = arith.cmpi sle, %j, %end : index
        %di = tensor.extract %doc[%i] : tensor<?xi32>
        %dj = tensor.extract %doc[%j] : tensor<?xi32>
        %same = arith.cmpi eq, %di, %dj : i32
        %r = arith.andi %before, %same : i1
        seqc.yield %r : i1
      } : (tensor<?x8x?x64xf16>, tensor<?x8x?x64xf16>, tensor<?x8x?x64xf16>)
      -> tensor<?x8x?x64xf16>
  return %o : tensor<?x8x?x64xf16>
}

// Dropout: what only the row or the column decides is not done per score. The
// sum is that of all weights.
// CHECK-LABEL: tile.kernel @dropout_0(
// CHECK-SAME: i64
// CHECK: scf.for
// CHECK: %[[P:[a-z0-9_]+]] = math.exp2 %{{.*}} : tensor<64x64xf32>
// CHECK: tile.reduce add %[[P]]
// CHECK: arith.muli {{.*}} : tensor<64xi64>
// CHECK: arith.muli {{.*}} : tensor<64x64xi64>
// CHECK: %[[KEEP:[a-z0-9_]+]] = arith.cmpi uge, {{.*}} : tensor<64x64xi32>
// CHECK-NEXT: %[[KEPT:[a-z0-9_]+]] = arith.mulf %[[P]]
// CHECK-NEXT: %[[D:[a-z0-9_]+]] = arith.select %[[KEEP]], %[[KEPT]]
// CHECK-NEXT: arith.truncf %[[D]]
func.func @dropout(%q: tensor<?x8x?x64xf16>, %seed: i64)
    -> tensor<?x8x?x64xf16> {
  %o = seqc.attention query(%q) key(%q) value(%q) dropout(0.1, %seed)
      : (tensor<?x8x?x64xf16>, tensor<?x8x?x64xf16>, tensor<?x8x?x64xf16>, i64)
      -> tensor<?x8x?x64xf16>
  return %o : tensor<?x8x?x64xf16>
}

// A function of two operators has two kernels. Both write tensors of their own,
// though the graph's are the same.
// CHECK-LABEL: tile.kernel @two_0(
// CHECK-LABEL: tile.kernel @two_1(
// CHECK-LABEL: func.func @two(
// CHECK: %[[R0:[a-z0-9_]+]] = tile.launch @two_0
// CHECK: %[[R1:[a-z0-9_]+]] = tile.launch @two_1 {{.*}} ins(%[[R0]]
// CHECK: return %[[R1]]
func.func @two(%q: tensor<?x8x?x64xf16>) -> tensor<?x8x?x64xf16> {
  %a = seqc.attention query(%q) key(%q) value(%q)
      : (tensor<?x8x?x64xf16>, tensor<?x8x?x64xf16>, tensor<?x8x?x64xf16>)
      -> tensor<?x8x?x64xf16>
  %o = seqc.attention query(%a) key(%q) value(%q)
      : (tensor<?x8x?x64xf16>, tensor<?x8x?x64xf16>, tensor<?x8x?x64xf16>)
      -> tensor<?x8x?x64xf16>
  return %o : tensor<?x8x?x64xf16>
}

// Keys in parts: the state comes from device memory and goes back there. Keys past
// the part are hidden, even those that the whole has.
// CHECK-LABEL: tile.kernel @part_0(
// CHECK: tile.load {{.*}} : memref<2x8x?xf32, strided<[?, ?, ?], offset: ?>> -> tensor<64xf32>
// CHECK: tile.load {{.*}} : memref<2x8x?xf32, strided<[?, ?, ?], offset: ?>> -> tensor<64xf32>
// CHECK: tile.load {{.*}} : memref<2x8x?x40xf32, strided<[?, ?, ?, ?], offset: ?>> -> tensor<64x48xf32>
// CHECK: scf.for %[[J:[a-z0-9_]+]] = %[[FIRST:[a-z0-9_]+]] to
// CHECK: %[[LOCAL:[a-z0-9_]+]] = affine.apply #{{.*}}(%[[J]])[%[[FIRST]]]
// CHECK: tile.load %{{.*}}[%{{.*}}, %{{.*}}, %[[LOCAL]], %c0]
// CHECK: arith.cmpi sle, {{.*}} : tensor<64x64xi32>
// CHECK: arith.cmpi slt, {{.*}} : tensor<64xi32>
// CHECK: tile.store {{.*}} : tensor<64xf32>, memref<2x8x?xf32, strided<[?, ?, 1], offset: ?>>
// CHECK: tile.store {{.*}} : tensor<64xf32>, memref<2x8x?xf32, strided<[?, ?, 1], offset: ?>>
// CHECK: tile.store {{.*}} : tensor<64x48xf32>, memref<2x8x?x40xf32, strided<[?, ?, ?, 1], offset: ?>>
// The initial state is the caller's: the launch writes tensors of its own.
// CHECK-LABEL: func.func @part(
// CHECK: tile.launch @part_0 {{.*}} outs(%[[E0:[a-z0-9_]+]], %[[E1:[a-z0-9_]+]], %[[E2:[a-z0-9_]+]] :
func.func @part(%q: tensor<2x8x?x64xf16>, %k: tensor<2x8x?x64xf16>,
                %v: tensor<2x8x?x40xf16>, %m0: tensor<2x8x?xf32>,
                %s0: tensor<2x8x?xf32>, %a0: tensor<2x8x?x40xf32>,
                %first: index, %sq: index, %sk: index)
    -> (tensor<2x8x?xf32>, tensor<2x8x?xf32>, tensor<2x8x?x40xf32>) {
  %c0 = arith.constant 0 : index
  %m, %s, %a = seqc.online_attention query(%q) key(%k) value(%v)
      offsets(%c0, %c0, %c0, %first) lengths(%sq, %sk) outs(%m0, %s0, %a0)
      scale(0.125) causal
      : (tensor<2x8x?x64xf16>, tensor<2x8x?x64xf16>, tensor<2x8x?x40xf16>,
         index, index, index, index, index, index,
         tensor<2x8x?xf32>, tensor<2x8x?xf32>, tensor<2x8x?x40xf32>)
      -> (tensor<2x8x?xf32>, tensor<2x8x?xf32>, tensor<2x8x?x40xf32>)
  return %m, %s, %a : tensor<2x8x?xf32>, tensor<2x8x?xf32>, tensor<2x8x?x40xf32>
}

// The end of a state that stands alone. What out is before does not matter.
// CHECK-LABEL: tile.kernel @finish_0(
// CHECK: tile.load {{.*}} -> tensor<64xf32>
// CHECK: tile.load {{.*}} -> tensor<64x48xf32>
// CHECK: arith.divf
// CHECK: tile.store {{.*}} : tensor<64x48xf16>, memref<2x8x?x40xf16, {{.*}}>
func.func @finish(%m: tensor<2x8x?xf32>, %s: tensor<2x8x?xf32>,
                  %a: tensor<2x8x?x40xf32>, %n: index) -> tensor<2x8x?x40xf16> {
  %e = tensor.empty(%n) : tensor<2x8x?x40xf16>
  %o = seqc.softmax_finish max(%m) sum(%s) acc(%a) outs(%e)
      : (tensor<2x8x?xf32>, tensor<2x8x?xf32>, tensor<2x8x?x40xf32>,
         tensor<2x8x?x40xf16>) -> tensor<2x8x?x40xf16>
  return %o : tensor<2x8x?x40xf16>
}
