// RUN: seqc-opt %s --seqc-to-ptx=chip=sm_90a --seqc-print-host-plan -o /dev/null | FileCheck %s
// RUN: seqc-opt %s --seqc-to-ptx="chip=sm_90a splits=5" --seqc-print-host-plan -o /dev/null | FileCheck %s --check-prefix=FIVE

// A step of decoding: the number of parts, 396 blocks over batch times key
// heads, follows from the sizes of the call; parts and batch share z of the
// first grid, and the second has a block for each row of the result.
// CHECK: kernel {{.*}}"name":"step_0"{{.*}}"threads":32
// CHECK: kernel {{.*}}"name":"step_1"{{.*}}"threads":128
// CHECK: plan "step"
// CHECK-NEXT: {"op":"const","value":32}
// CHECK-NEXT: {"op":"const","value":128}
// CHECK-NEXT: {"op":"const","value":1}
// CHECK-NEXT: {"op":"const","value":396}
// CHECK-NEXT: {"op":"const","value":8}
// CHECK-NEXT: {"op":"const","value":2}
// CHECK-NEXT: {"op":"const","value":0}
// CHECK-NEXT: {"dim":0,"op":"dim","tensor":0}
// CHECK-NEXT: {"dim":2,"op":"dim","tensor":1}
// Parts, in value 15: max(1, min(396 / max(1, 8 batch), ceil(keys / 128), 128)).
// CHECK-NEXT: {"a":7,"b":4,"op":"mul"}
// CHECK-NEXT: {"a":9,"b":2,"op":"max"}
// CHECK-NEXT: {"a":3,"b":10,"op":"divs"}
// CHECK-NEXT: {"a":8,"b":1,"op":"ceildivs"}
// CHECK-NEXT: {"a":11,"b":12,"op":"min"}
// CHECK-NEXT: {"a":13,"b":1,"op":"min"}
// CHECK-NEXT: {"a":14,"b":2,"op":"max"}
// Keys of a part, in value 18: whole tiles of 32.
// CHECK-NEXT: {"a":8,"b":0,"op":"ceildivs"}
// CHECK-NEXT: {"a":16,"b":15,"op":"ceildivs"}
// CHECK-NEXT: {"a":17,"b":0,"op":"mul"}
// CHECK-NEXT: {"a":15,"b":7,"op":"mul"}
// CHECK-NEXT: {"op":"const","value":4}
// CHECK-NEXT: {"dtype":"f32","op":"alloc","shape":[15,7,4,20],"tensor":3}
// CHECK-NEXT: {"dtype":"f32","op":"alloc","shape":[15,7,4,20],"tensor":4}
// CHECK-NEXT: {"dtype":"f32","op":"alloc","shape":[15,7,4,20,1],"tensor":5}
// CHECK-NEXT: {"args":[{"tensor":0},{"tensor":1},{"tensor":2},{"value":18},{"value":7},{"tensor":3},{"tensor":4},{"tensor":5}],"grid":[2,4,19],"kernel":0,"op":"launch"}
// CHECK-NEXT: {"dtype":"bf16","op":"alloc","shape":[7,0,2,1],"tensor":6}
// CHECK-NEXT: {"args":[{"tensor":3},{"tensor":4},{"tensor":5},{"tensor":6}],"grid":[2,0,7],"kernel":1,"op":"launch"}
// CHECK-NEXT: {"op":"return","results":[{"tensor":6}]}

// FIVE: plan "step"
// FIVE: {"op":"const","value":5}
// FIVE-NOT: "divs"
// FIVE: "op":"launch"
// FIVE: "op":"launch"
func.func @step(%q: tensor<?x32x1x128xbf16>, %k: tensor<?x8x?x128xbf16>,
                %v: tensor<?x8x?x128xbf16>) -> tensor<?x32x1x128xbf16> {
  %o = seqc.attention query(%q) key(%k) value(%v) causal
    : (tensor<?x32x1x128xbf16>, tensor<?x8x?x128xbf16>,
       tensor<?x8x?x128xbf16>) -> tensor<?x32x1x128xbf16>
  return %o : tensor<?x32x1x128xbf16>
}
