// RUN: %invalid

// expected-error @+1 {{#tile.mma needs 1 to 32 warps, but got 0}}
func.func private @f(tensor<128x64xf32, #tile.mma<warps = 0>>)

// -----

// expected-error @+1 {{#tile.mma is a layout of 2-D tiles, but the rank is 1}}
func.func private @f(tensor<128xf32, #tile.mma<warps = 4>>)

// -----

// expected-error @+1 {{#tile.mma<warps = 4> needs a multiple of 64 rows and of 8 columns, but the tile is 96x64}}
func.func private @f(tensor<96x64xf32, #tile.mma<warps = 4>>)

// -----

// expected-error @+1 {{#tile.mma<warps = 4> needs a multiple of 64 rows and of 8 columns, but the tile is 64x12}}
func.func private @f(tensor<64x12xf32, #tile.mma<warps = 4>>)

// -----

// expected-error @+1 {{#tile.blocked needs lists 'thread', 'lanes' and 'warps' of one length, but theirs are 2, 1 and 2}}
func.func private @f(tensor<32x32xf32, #tile.blocked<thread = [1, 1], lanes = [32], warps = [1, 1]>>)

// -----

// expected-error @+1 {{#tile.blocked needs powers of two from 1 to 1024 in 'thread', but got 3}}
func.func private @f(tensor<32x96xf32, #tile.blocked<thread = [1, 3], lanes = [1, 32], warps = [1, 1]>>)

// -----

// Of warps' fields only the highest may have any size.
// expected-error @+1 {{#tile.blocked needs powers of two from 1 to 32 in 'warps', but for the first that is not 1, but got 3}}
func.func private @f(tensor<32x96xf32, #tile.blocked<thread = [1, 1], lanes = [1, 32], warps = [4, 3]>>)

// -----

// expected-error @+1 {{the product of 'lanes' of #tile.blocked must be 32, but is 16}}
func.func private @f(tensor<32x32xf32, #tile.blocked<thread = [1, 1], lanes = [1, 16], warps = [1, 1]>>)

// -----

// expected-error @+1 {{the product of 'warps' of #tile.blocked must be at most 32, but is 64}}
func.func private @f(tensor<64x256xf32, #tile.blocked<thread = [1, 1], lanes = [1, 32], warps = [8, 8]>>)

// -----

// expected-error @+1 {{is a layout of 2-D tiles, but the rank is 1}}
func.func private @f(tensor<32xf32, #tile.blocked<thread = [1, 1], lanes = [1, 32], warps = [1, 1]>>)

// -----

// expected-error @+1 {{needs a multiple of 32 in dimension 1, but the size is 48}}
func.func private @f(tensor<32x48xf32, #tile.blocked<thread = [1, 1], lanes = [1, 32], warps = [1, 1]>>)

// -----

// expected-error @+1 {{#tile.slice is of another layout, but got 4 : i64}}
func.func private @f(tensor<32xf32, #tile.slice<dim = 0, of = 4>>)

// -----

// expected-error @+1 {{'dim' of #tile.slice must be from 0 to 1, but is 2}}
func.func private @f(tensor<32xf32, #tile.slice<dim = 2, of = #tile.mma<warps = 1>>>)

// -----

// expected-error @+1 {{#tile.slice is of a layout of at least 2-D tiles, but got #tile.blocked<thread = [1], lanes = [32], warps = [1]>}}
func.func private @f(tensor<32xf32, #tile.slice<dim = 0, of = #tile.blocked<thread = [1], lanes = [32], warps = [1]>>>)

// -----

// expected-error @+1 {{#tile.mma<warps = 4> needs a multiple of 64 rows and of 8 columns, but the tile is 32x8}}
func.func private @f(tensor<32xf32, #tile.slice<dim = 1, of = #tile.mma<warps = 4>>>)

// -----

// expected-error @+1 {{is a layout of 1-D tiles, but the rank is 2}}
func.func private @f(tensor<32x8xf32, #tile.slice<dim = 1, of = #tile.mma<warps = 1>>>)

// -----

// expected-error @+1 {{a tile in shared memory has elements of a float or integer type, but got 'index'}}
func.func private @f(!tile.shared<64x64xindex>)

// -----

// expected-error @+1 {{a tile in shared memory has elements of 8, 16, 32 or 64 bits, but got 'i1'}}
func.func private @f(!tile.shared<64x64xi1>)

// -----

// expected-error @+1 {{a tile in shared memory has a multiple of 8 rows and at least one column, but got 12x64}}
func.func private @f(!tile.shared<12x64xf32>)

// -----

// expected-error @+1 {{a tile in shared memory has at most 4096 rows and columns, but got 8192x64}}
func.func private @f(!tile.shared<8192x64xf32>)

// -----

// expected-error @+1 {{expected rows x columns, but got 3 dimensions}}
func.func private @f(!tile.shared<2x8x64xf32>)

// -----

// expected-error @+1 {{a ring has 1 to 16 stages, but got 0}}
func.func private @f(!tile.ring<0 x 64x64xf32>)
