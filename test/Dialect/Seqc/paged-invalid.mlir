// RUN: %invalid

func.func @f(%p: tensor<?x2x16xf32>, %t: tensor<?x?xi32>) {
  // expected-error @+1 {{paged_c1: expected pages to be a 4-D tensor (pages, key/value heads, page size, head_dim)}}
  %k = seqc.paged %p, %t : (tensor<?x2x16xf32>, tensor<?x?xi32>) -> tensor<?x2x?x8xf32>
  return
}

// -----

func.func @f(%p: tensor<?x2x16x8xi32>, %t: tensor<?x?xi32>) {
  // expected-error @+1 {{paged_c1: expected pages}}
  %k = seqc.paged %p, %t : (tensor<?x2x16x8xi32>, tensor<?x?xi32>) -> tensor<?x2x?x8xi32>
  return
}

// -----

func.func @f(%p: tensor<?x2x48x8xf32>, %t: tensor<?x?xi32>) {
  // expected-error @+1 {{paged_c2: expected pages to have a static page size that is a power of two from 16 to 256, but got 'tensor<?x2x48x8xf32>'}}
  %k = seqc.paged %p, %t : (tensor<?x2x48x8xf32>, tensor<?x?xi32>) -> tensor<?x2x?x8xf32>
  return
}

// -----

func.func @f(%p: tensor<?x2x?x8xf32>, %t: tensor<?x?xi32>) {
  // expected-error @+1 {{paged_c2: expected pages to have a static page size}}
  %k = seqc.paged %p, %t : (tensor<?x2x?x8xf32>, tensor<?x?xi32>) -> tensor<?x2x?x8xf32>
  return
}

// -----

func.func @f(%p: tensor<?x2x512x8xf32>, %t: tensor<?x?xi32>) {
  // expected-error @+1 {{paged_c2: expected pages to have a static page size}}
  %k = seqc.paged %p, %t : (tensor<?x2x512x8xf32>, tensor<?x?xi32>) -> tensor<?x2x?x8xf32>
  return
}

// -----

func.func @f(%p: tensor<?x2x16x?xf32>, %t: tensor<?x?xi32>) {
  // expected-error @+1 {{paged_c3: expected pages to have a static head_dim of at least 1, but got 'tensor<?x2x16x?xf32>'}}
  %k = seqc.paged %p, %t : (tensor<?x2x16x?xf32>, tensor<?x?xi32>) -> tensor<?x2x?x?xf32>
  return
}

// -----

func.func @f(%p: tensor<?x2x16x8xf32>, %t: tensor<?x?xi64>) {
  // expected-error @+1 {{paged_c4: expected table}}
  %k = seqc.paged %p, %t : (tensor<?x2x16x8xf32>, tensor<?x?xi64>) -> tensor<?x2x?x8xf32>
  return
}

// -----

func.func @f(%p: tensor<?x2x16x8xf32>, %t: tensor<3x4xi32>) {
  // expected-error @+1 {{paged_c5: expected out}}
  %k = seqc.paged %p, %t : (tensor<?x2x16x8xf32>, tensor<3x4xi32>) -> tensor<3x2x65x8xf32>
  return
}

// -----

func.func @f(%p: tensor<?x2x16x8xf32>, %t: tensor<3x4xi32>) {
  // expected-error @+1 {{paged_c5: expected out}}
  %k = seqc.paged %p, %t : (tensor<?x2x16x8xf32>, tensor<3x4xi32>) -> tensor<3x2x64x8xf16>
  return
}
