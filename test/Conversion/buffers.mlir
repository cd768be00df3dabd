// RUN: seqc-opt %s --allow-unregistered-dialect --split-input-file --seqc-place-scratch | FileCheck %s --check-prefix=PLACE
// RUN: seqc-opt %s --allow-unregistered-dialect --split-input-file --seqc-place-scratch="limit=1024" | FileCheck %s --check-prefix=LIMIT
// RUN: seqc-opt %s --allow-unregistered-dialect --split-input-file --seqc-hoist-scratch | FileCheck %s --check-prefix=HOIST
// RUN: seqc-opt %s --allow-unregistered-dialect --split-input-file --seqc-serialize-inner | FileCheck %s --check-prefix=SERIAL
// RUN: seqc-opt %s --allow-unregistered-dialect --split-input-file --seqc-protect-arguments | FileCheck %s --check-prefix=PROTECT
// RUN: seqc-opt %s --allow-unregistered-dialect --split-input-file --seqc-place-scratch --seqc-hoist-scratch --seqc-serialize-inner --seqc-protect-arguments --seqc-statistics -o /dev/null 2>&1 | FileCheck %s --check-prefix=STATS

// STATS: seqc-hoist-scratch
// STATS-NEXT: 3 buffers-hoisted
// STATS: seqc-place-scratch
// STATS-NEXT: 3 buffers-placed
// STATS-NEXT: 8384 bytes-placed
// STATS: seqc-protect-arguments
// STATS-NEXT: 2 arguments-protected
// STATS: seqc-serialize-inner
// STATS-NEXT: 2 loops-serialized

//===----------------------------------------------------------------------===//
// seqc-place-scratch
//===----------------------------------------------------------------------===//

// The tiles of a body are allocated once at its head, whatever the loop they are
// in, and are not freed. A buffer of dynamic size, or outside of the body, stays.
// PLACE-LABEL: func private @place(
// PLACE: memref.alloc() : memref<8xf32>
// PLACE: scf.forall
// PLACE-DAG: %[[SMALL:.*]] = memref.alloca() {alignment = 64 : i64} : memref<16xf32>
// PLACE-DAG: %[[LARGE:.*]] = memref.alloca() {alignment = 64 : i64} : memref<32x64xf32>
// PLACE: scf.for
// PLACE-NOT: memref.alloc() : memref<16xf32>
// PLACE: memref.store %{{.*}}, %[[SMALL]]
// PLACE: linalg.fill {{.*}} outs(%[[LARGE]] :
// PLACE: %[[DYNAMIC:.*]] = memref.alloc(%{{.*}}) : memref<?xf32>
// PLACE: memref.dealloc %[[DYNAMIC]]
// PLACE-NOT: memref.dealloc
// PLACE: memref.dealloc %{{.*}} : memref<8xf32>
//
// Over the limit the largest go on the heap, still once per body.
// LIMIT-LABEL: func private @place(
// LIMIT: scf.forall
// LIMIT-DAG: memref.alloca() {alignment = 64 : i64} : memref<16xf32>
// LIMIT-DAG: %[[LARGE:.*]] = memref.alloc() : memref<32x64xf32>
// LIMIT: scf.for
// LIMIT: memref.dealloc %{{.*}} : memref<?xf32>
// LIMIT: memref.dealloc %[[LARGE]]
// LIMIT-NEXT: }
func.func private @place(%n: index, %f: f32) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %outside = memref.alloc() : memref<8xf32>
  scf.forall (%i) in (%n) {
    scf.for %j = %c0 to %n step %c1 {
      %large = memref.alloc() : memref<32x64xf32>
      %small = memref.alloc() : memref<16xf32>
      memref.store %f, %small[%c0] : memref<16xf32>
      linalg.fill ins(%f : f32) outs(%large : memref<32x64xf32>)
      memref.dealloc %large : memref<32x64xf32>
      memref.dealloc %small : memref<16xf32>
      %dynamic = memref.alloc(%j) : memref<?xf32>
      memref.dealloc %dynamic : memref<?xf32>
    }
  }
  memref.dealloc %outside : memref<8xf32>
  return
}

// -----

// A buffer that an iteration hands to the next, itself or a view of it, is
// another one each time. So may be one that an unknown operation sees.
// PLACE-LABEL: func private @carried(
// PLACE: scf.for
// PLACE: memref.alloc() : memref<16xf32>
// PLACE: memref.alloc() : memref<16xf32>
// PLACE: memref.alloc() : memref<17xf32>
// PLACE-NOT: memref.alloca
// PLACE: scf.yield
func.func private @carried(%n: index, %a: memref<16xf32>, %b: memref<1x16xf32>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  scf.forall (%i) in (%n) {
    %r:2 = scf.for %j = %c0 to %n step %c1 iter_args(%x = %a, %y = %b)
        -> (memref<16xf32>, memref<1x16xf32>) {
      %next = memref.alloc() : memref<16xf32>
      %other = memref.alloc() : memref<16xf32>
      %view = memref.expand_shape %other [[0, 1]] output_shape [1, 16]
          : memref<16xf32> into memref<1x16xf32>
      %seen = memref.alloc() : memref<17xf32>
      "test.use"(%seen) : (memref<17xf32>) -> ()
      scf.yield %next, %view : memref<16xf32>, memref<1x16xf32>
    }
  }
  return
}

// -----

// The tiles of a loop inside of a body belong to the body of the outer one.
// PLACE-LABEL: func private @nested(
// PLACE: scf.forall
// PLACE-NEXT: memref.alloca() {alignment = 64 : i64} : memref<4x4xi64>
// PLACE-NEXT: scf.forall
//
// A core runs one body at a time: what is inside is sequential.
// SERIAL-LABEL: func private @nested(
// SERIAL-SAME: %[[N:.*]]: index)
// SERIAL: scf.forall (%[[I:.*]]) in (%[[N]])
// SERIAL: scf.for %[[J:.*]] = %{{.*}} to %[[N]] step
// SERIAL: scf.for %[[K:.*]] = %{{.*}} to %{{.*}} step
// SERIAL: "test.use"(%{{.*}}, %[[I]], %[[J]], %[[K]])
// SERIAL-NOT: scf.forall
// SERIAL: return
func.func private @nested(%n: index) {
  scf.forall (%i) in (%n) {
    scf.forall (%j) in (%n) {
      scf.forall (%k) = (0) to (12) step (4) {
        %t = memref.alloc() : memref<4x4xi64>
        %x = memref.load %t[%i, %j] : memref<4x4xi64>
        "test.use"(%x, %i, %j, %k) : (i64, index, index, index) -> ()
      }
    }
  }
  return
}

// -----

//===----------------------------------------------------------------------===//
// seqc-hoist-scratch
//===----------------------------------------------------------------------===//

// Once per thread, before its share of the iterations; the scopes go.
// HOIST-LABEL: func private @hoist(
// HOIST: omp.parallel
// HOIST-DAG: %[[A:.*]] = memref.alloca() : memref<8xf32>
// HOIST-DAG: %[[B:.*]] = memref.alloca() : memref<9xf32>
// HOIST: omp.wsloop
// HOIST: omp.loop_nest
// HOIST-NOT: memref.alloca_scope
// HOIST: "test.use"(%[[A]])
// HOIST: "test.use"(%[[B]])
// HOIST: omp.yield
func.func private @hoist(%n: index) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  omp.parallel {
    omp.wsloop {
      omp.loop_nest (%i) : index = (%c0) to (%n) step (%c1) {
        memref.alloca_scope {
          %a = memref.alloca() : memref<8xf32>
          "test.use"(%a) : (memref<8xf32>) -> ()
          scf.for %j = %c0 to %n step %c1 {
            memref.alloca_scope {
              %b = memref.alloca() : memref<9xf32>
              "test.use"(%b) : (memref<9xf32>) -> ()
            }
          }
        }
        omp.yield
      }
    }
    omp.terminator
  }
  return
}

// -----

// Memory of dynamic size stays, with the scope that frees it. The buffer of an
// inner team belongs to each of its threads.
// HOIST-LABEL: func private @hoist_not(
// HOIST: omp.parallel
// HOIST-NEXT: memref.alloca_scope
// HOIST: memref.alloca(%{{.*}}) : memref<?xf32>
// HOIST: omp.parallel
// HOIST-NEXT: memref.alloca() : memref<8xf32>
func.func private @hoist_not(%n: index) {
  omp.parallel {
    memref.alloca_scope {
      %a = memref.alloca(%n) : memref<?xf32>
      "test.use"(%a) : (memref<?xf32>) -> ()
    }
    omp.parallel {
      %c0 = arith.constant 0 : index
      memref.alloca_scope {
        %b = memref.alloca() : memref<8xf32>
        "test.use"(%b, %c0) : (memref<8xf32>, index) -> ()
      }
      omp.terminator
    }
    omp.terminator
  }
  return
}

// -----

//===----------------------------------------------------------------------===//
// seqc-protect-arguments
//===----------------------------------------------------------------------===//

// The tensors of a public function are the caller's.
// PROTECT-LABEL: func @public(
// PROTECT-SAME: %{{.*}}: tensor<4xf32> {bufferization.writable = false}, %{{.*}}: index, %{{.*}}: tensor<?xf32> {bufferization.writable = false}, %{{.*}}: memref<4xf32>)
// PROTECT: func private @private(%{{.*}}: tensor<4xf32>) -> tensor<4xf32> {
func.func @public(%x: tensor<4xf32>, %n: index, %y: tensor<?xf32>,
                  %m: memref<4xf32>) -> tensor<4xf32> {
  return %x : tensor<4xf32>
}
func.func private @private(%x: tensor<4xf32>) -> tensor<4xf32> {
  return %x : tensor<4xf32>
}
