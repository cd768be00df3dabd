// RUN: %invalid

func.func @element(%part: tensor<?x64xf16>, %zeros: tensor<?x64xf32>, %n: index) -> tensor<?x64xf32> {
  %c0 = arith.constant 0 : index
  %0 = scf.forall (%j) in (%n) shared_outs(%all = %zeros) -> tensor<?x64xf32> {
    scf.forall.in_parallel {
      // expected-error @+1 {{'seqc.parallel_add' op parallel_add_c1: expected source and dest of one rank and one float type, but got source 'tensor<?x64xf16>' and dest 'tensor<?x64xf32>'}}
      seqc.parallel_add %part into %all[%j, %c0] : tensor<?x64xf16> into tensor<?x64xf32>
    }
  }
  return %0 : tensor<?x64xf32>
}

// -----

func.func @integers(%part: tensor<64xi32>, %zeros: tensor<64xi32>, %n: index) -> tensor<64xi32> {
  %0 = scf.forall (%j) in (%n) shared_outs(%all = %zeros) -> tensor<64xi32> {
    scf.forall.in_parallel {
      // expected-error @+1 {{'seqc.parallel_add' op parallel_add_c1: expected source and dest of one rank and one float type, but got source 'tensor<64xi32>' and dest 'tensor<64xi32>'}}
      seqc.parallel_add %part into %all[%j] : tensor<64xi32> into tensor<64xi32>
    }
  }
  return %0 : tensor<64xi32>
}

// -----

func.func @rank(%part: tensor<64xf32>, %zeros: tensor<?x64xf32>, %n: index) -> tensor<?x64xf32> {
  %c0 = arith.constant 0 : index
  %0 = scf.forall (%j) in (%n) shared_outs(%all = %zeros) -> tensor<?x64xf32> {
    scf.forall.in_parallel {
      // expected-error @+1 {{'seqc.parallel_add' op parallel_add_c1: expected source and dest of one rank and one float type, but got source 'tensor<64xf32>' and dest 'tensor<?x64xf32>'}}
      seqc.parallel_add %part into %all[%j, %c0] : tensor<64xf32> into tensor<?x64xf32>
    }
  }
  return %0 : tensor<?x64xf32>
}

// -----

func.func @offsets(%part: tensor<?x64xf32>, %zeros: tensor<?x64xf32>, %n: index) -> tensor<?x64xf32> {
  %0 = scf.forall (%j) in (%n) shared_outs(%all = %zeros) -> tensor<?x64xf32> {
    scf.forall.in_parallel {
      // expected-error @+1 {{'seqc.parallel_add' op parallel_add_c2: expected an offset for each of the 2 dimensions of dest, but got 1}}
      seqc.parallel_add %part into %all[%j] : tensor<?x64xf32> into tensor<?x64xf32>
    }
  }
  return %0 : tensor<?x64xf32>
}

// -----

func.func @elsewhere(%part: tensor<64xf32>, %zeros: tensor<64xf32>) {
  %c0 = arith.constant 0 : index
  // expected-error @+1 {{'seqc.parallel_add' op parallel_add_c3: expected to stand in scf.forall.in_parallel, but got dest 'tensor<64xf32>' elsewhere}}
  seqc.parallel_add %part into %zeros[%c0] : tensor<64xf32> into tensor<64xf32>
  return
}

// -----

// What the loop starts from is not what its iterations share.
func.func @no_output(%part: tensor<64xf32>, %zeros: tensor<64xf32>, %n: index) -> tensor<64xf32> {
  %0 = scf.forall (%j) in (%n) shared_outs(%all = %zeros) -> tensor<64xf32> {
    scf.forall.in_parallel {
      // expected-error @+1 {{'seqc.parallel_add' op may only insert into an output block argument}}
      seqc.parallel_add %part into %zeros[%j] : tensor<64xf32> into tensor<64xf32>
    }
  }
  return %0 : tensor<64xf32>
}
