// RUN: %invalid

func.func @type(%x: f64) {
  // expected-error @below {{'nvx.ex2' op operand #0 must be f32 or a one-dimensional vector of f32, but got 'f64'}}
  %0 = nvx.ex2 %x : f64
  return
}

// -----

func.func @rank(%x: vector<2x2xf32>) {
  // expected-error @below {{'nvx.rcp' op operand #0 must be f32 or a one-dimensional vector of f32, but got 'vector<2x2xf32>'}}
  %0 = nvx.rcp %x : vector<2x2xf32>
  return
}
