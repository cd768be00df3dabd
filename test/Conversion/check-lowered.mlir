// RUN: seqc-opt %s --seqc-check-lowered --split-input-file --verify-diagnostics

// LLVM and OpenMP are all there may be.
llvm.func @fine(%n: i64) -> i64 {
  omp.parallel {
    omp.terminator
  }
  llvm.return %n : i64
}

// -----

// An operator says more than the casts around it.
llvm.func @operator(%n: i64) -> i64 {
  %i = builtin.unrealized_conversion_cast %n : i64 to index
  // expected-error @+1 {{'arith.addi' op is not supported on the cpu target}}
  %j = arith.addi %i, %i : index
  %r = builtin.unrealized_conversion_cast %j : index to i64
  llvm.return %r : i64
}

// -----

// Only casts: the type says what is missing.
llvm.func @cast(%n: i64) -> !llvm.ptr {
  // expected-error @+1 {{a value of 'i64' is used in a way that the cpu target does not support}}
  %r = builtin.unrealized_conversion_cast %n : i64 to !llvm.ptr
  llvm.return %r : !llvm.ptr
}
