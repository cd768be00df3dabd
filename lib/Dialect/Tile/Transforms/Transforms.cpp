// Placeholder until the first pass of this library exists.
#include "seqc/Dialect/Tile/Transforms/Passes.h"
