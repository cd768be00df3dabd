// RUN: %invalid

func.func @element(%a: i64) {
  // expected-error @below {{'nvx.wgmma' op multiplies 'f32', expected f16 or bf16}}
  %d = nvx.wgmma f32(%a), %a : (i64) -> vector<32xf32>
  return
}

// -----

func.func @columns(%a: i64) {
  // expected-error @below {{'nvx.wgmma' op has 12 columns, expected a multiple of 8 up to 256}}
  %d = nvx.wgmma f16(%a), %a : (i64) -> vector<6xf32>
  return
}

// -----

func.func @too_many_columns(%a: i64) {
  // expected-error @below {{'nvx.wgmma' op has 264 columns, expected a multiple of 8 up to 256}}
  %d = nvx.wgmma f16(%a), %a : (i64) -> vector<132xf32>
  return
}

// -----

func.func @fragment(%a: i64, %r: i32) {
  // expected-error @below {{'nvx.wgmma' op has operands 'i32', 'i32' as a, expected one i64 or four i32}}
  %d = nvx.wgmma f16(%r, %r), %a : (i32, i32) -> vector<32xf32>
  return
}

// -----

func.func @accumulator(%a: i64, %c: vector<64xf32>) {
  // expected-error @below {{'nvx.wgmma' op adds to 'vector<64xf32>', expected the result's type 'vector<32xf32>'}}
  %d = nvx.wgmma f16(%a), %a acc(%c : vector<64xf32>) : (i64) -> vector<32xf32>
  return
}

// -----

func.func @rows_of_registers(%a: i64, %r: i32) {
  // expected-error @below {{'nvx.wgmma' op has rows_fastest, which is for a in shared memory, but a in registers}}
  %d = nvx.wgmma f16(%r, %r, %r, %r), %a rows_fastest : (i32, i32, i32, i32) -> vector<32xf32>
  return
}
