// RUN: seqc-opt %s --split-input-file --verify-diagnostics

// The name of an argument is a string,
// expected-error @+1 {{argument 0: attribute 'seqc.name' is 3 : i64, expected a string without '/' and '='}}
func.func private @f(%x: f32 {seqc.name = 3})

// -----

// not an empty one,
// expected-error @+1 {{argument 1: attribute 'seqc.name' is "", expected a string without '/' and '='}}
func.func private @f(%x: f32, %y: f32 {seqc.name = ""})

// -----

// nor the path of a file,
// expected-error @+1 {{argument 0: attribute 'seqc.name' is "a/b", expected a string without '/' and '='}}
func.func private @f(%x: f32 {seqc.name = "a/b"})

// -----

// and no other argument has it.
// expected-error @+1 {{argument 2: attribute 'seqc.name' is "x", the name of argument 0}}
func.func private @f(%x: f32 {seqc.name = "x"}, %y: f32, %z: f32 {seqc.name = "x"})

// -----

// The same for results.
// expected-error @+1 {{result 1: attribute 'seqc.name' is "x", the name of result 0}}
func.func private @f() -> (f32 {seqc.name = "x"}, f32 {seqc.name = "x"})

// -----

// An argument and a result may share one. There is no other attribute.
func.func private @f(%x: f32 {seqc.name = "x"}) -> (f32 {seqc.name = "x"})
// expected-error @+1 {{argument 0: attribute 'seqc.nmae' is unknown, expected 'seqc.name'}}
func.func private @g(%x: f32 {seqc.nmae = "x"})
