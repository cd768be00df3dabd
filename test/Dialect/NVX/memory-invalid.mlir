// RUN: %invalid

func.func @three(%p: !llvm.ptr<1>, %c: i1) {
  // expected-error @below {{'nvx.load' op moves 12 bytes, expected 1, 2, 4, 8 or 16}}
  %v = nvx.load %p when %c : vector<3xf32>
  return
}

// -----

func.func @large(%v: vector<8xf32>, %p: !llvm.ptr<1>, %c: i1) {
  // expected-error @below {{'nvx.store' op moves 32 bytes, expected 1, 2, 4, 8 or 16}}
  nvx.store %v, %p when %c : vector<8xf32>
  return
}

// -----

func.func @bits(%p: !llvm.ptr<1>, %c: i1) {
  // expected-error @below {{'nvx.load' op moves elements of type 'i1', expected whole bytes}}
  %v = nvx.load %p when %c : vector<8xi1>
  return
}

// -----

func.func @add_half(%v: vector<8xf16>, %p: !llvm.ptr<1>, %c: i1) {
  // expected-error @below {{'nvx.store' op adds 'vector<8xf16>', expected elements of f32}}
  nvx.store %v, %p when %c add : vector<8xf16>
  return
}

// -----

func.func @add_integer(%v: i32, %p: !llvm.ptr<1>, %c: i1) {
  // expected-error @below {{'nvx.store' op adds 'i32', expected elements of f32}}
  nvx.store %v, %p when %c add : i32
  return
}

// -----

func.func @add_large(%v: vector<8xf32>, %p: !llvm.ptr<1>, %c: i1) {
  // expected-error @below {{'nvx.store' op moves 32 bytes, expected 1, 2, 4, 8 or 16}}
  nvx.store %v, %p when %c add : vector<8xf32>
  return
}
