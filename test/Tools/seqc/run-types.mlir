// Element types and scalars, there and back.

// REQUIRES: seqc
// RUN: rm -rf %t && mkdir %t
// RUN: seqc compile %s -o %t/a.seqc
// RUN: %python -c "import numpy as np; x = np.arange(-3, 3, dtype=np.float16); np.save('%t/f16.npy', x); np.save('%t/f64.npy', x.astype('>f8')); np.save('%t/bf16.npy', (x.astype(np.float32).view(np.uint32) >> 16).astype(np.uint16)); np.save('%t/i32.npy', x.astype(np.int32)); np.save('%t/i1.npy', x > 0); np.save('%t/n.npy', np.int64(7))"

// RUN: seqc run %t/a.seqc -f negate_f16 %t/f16.npy | FileCheck %s --check-prefix=F16
// F16: 0: tensor<6xf16> min -2 max 3 mean 0.5
// RUN: seqc run %t/a.seqc -f negate_f64 %t/f64.npy | FileCheck %s --check-prefix=F64
// F64: 0: tensor<6xf64> min -2 max 3 mean 0.5

// bfloat16 as ml_dtypes saves it comes out as it went in.
// RUN: seqc run %t/a.seqc -f negate_bf16 %t/bf16.npy --dtype 0=bf16 -o %t/once.npy
// RUN: seqc run %t/a.seqc -f negate_bf16 %t/once.npy -o %t/twice.npy
// RUN: %python -c "import numpy as np; a = np.load('%t/bf16.npy'); b = np.load('%t/twice.npy'); assert b.dtype.str == '|V2', b.dtype; assert (a == b.view(np.uint16)).all()"

// RUN: seqc run %t/a.seqc -f mixed %t/i32.npy %t/i1.npy %t/n.npy 0.5 | FileCheck %s --check-prefix=MIXED
// RUN: seqc run %t/a.seqc -f mixed %t/i32.npy %t/i1.npy -i n=7 -i scale=0.5 -o %t/a.npy -o %t/b.npy -o %t/c.npy
// RUN: %python -c "import numpy as np; a, b, c = (np.load('%t/' + n + '.npy') for n in 'abc'); assert a.tolist() == [0, 0, 0, 0, 1, 2] and a.dtype == np.int32; assert b.shape == () and b == 8 and b.dtype == np.int64; assert c == 1.5 and c.dtype == np.float32"
// MIXED: selected: tensor<6xi32> min 0 max 2 mean 0.5
// MIXED: 1: index min 8 max 8 mean 8
// MIXED: 2: f32 min 1.5 max 1.5 mean 1.5

// RUN: %python %S/Inputs/fails.py 1 %t seqc run a.seqc | FileCheck %s --check-prefix=SEVERAL
// SEVERAL: seqc: error: 'a.seqc' has several functions: choose one with --function out of negate_f16, negate_f64, negate_bf16, mixed
// RUN: %python %S/Inputs/fails.py 1 %t seqc run a.seqc -f mixed i32.npy i1.npy seven 0.5 | FileCheck %s --check-prefix=INT
// INT: seqc: error: argument 2 'n' is 'seven', expected an integer from -9223372036854775808 to 9223372036854775807 (index)
// RUN: %python %S/Inputs/fails.py 1 %t seqc run a.seqc -f mixed i32.npy i1.npy 7 half | FileCheck %s --check-prefix=FLOAT
// FLOAT: seqc: error: argument 3 'scale' is 'half', expected a number (f32)
// RUN: %python %S/Inputs/fails.py 1 %t seqc run a.seqc -f mixed i32.npy i1.npy i32.npy 1 | FileCheck %s --check-prefix=SCALAR
// SCALAR: seqc: error: argument 2 'n' is a scalar of type index, but 'i32.npy' holds tensor<6xi32>

#id = affine_map<(d0) -> (d0)>

func.func @negate_f16(%x: tensor<?xf16>) -> tensor<?xf16> {
  %0 = arith.negf %x : tensor<?xf16>
  return %0 : tensor<?xf16>
}

func.func @negate_f64(%x: tensor<?xf64>) -> tensor<?xf64> {
  %0 = arith.negf %x : tensor<?xf64>
  return %0 : tensor<?xf64>
}

func.func @negate_bf16(%x: tensor<?xbf16>) -> tensor<?xbf16> {
  %0 = arith.negf %x : tensor<?xbf16>
  return %0 : tensor<?xbf16>
}

func.func @mixed(%x: tensor<6xi32>, %keep: tensor<6xi1>,
                 %n: index {seqc.name = "n"}, %scale: f32 {seqc.name = "scale"})
    -> (tensor<6xi32> {seqc.name = "selected"}, index, f32) {
  %zero = arith.constant dense<0> : tensor<6xi32>
  %one = arith.constant 1 : index
  %unit = arith.constant 1.0 : f32
  %0 = arith.select %keep, %x, %zero : tensor<6xi1>, tensor<6xi32>
  %1 = arith.addi %n, %one : index
  %2 = arith.addf %scale, %unit : f32
  return %0, %1, %2 : tensor<6xi32>, index, f32
}
