/*===- capi.c - The C API from plain C ------------------------------------===*\
|*                                                                            *|
|* Part of the seqc project, under the Apache License v2.0 with LLVM          *|
|* Exceptions.                                                                *|
|* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception                    *|
|*                                                                            *|
|*===----------------------------------------------------------------------===*|
|*                                                                            *|
|* Built as strict C99, so that the headers stay C. Compiles a program, loads *|
|* it from memory and calls it.                                               *|
|*                                                                            *|
\*===----------------------------------------------------------------------===*/

#include "seqc-c/Compiler.h"
#include "seqc-c/Runtime.h"

#include <stdio.h>
#include <string.h>

static const char source[] =
    "#map = affine_map<(i, j) -> (i, j)>\n"
    "func.func @axpy(%a: f32, %x: tensor<?x4xf32>, %y: tensor<?x4xf32>)\n"
    "    -> tensor<?x4xf32> {\n"
    "  %c0 = arith.constant 0 : index\n"
    "  %n = tensor.dim %x, %c0 : tensor<?x4xf32>\n"
    "  %e = tensor.empty(%n) : tensor<?x4xf32>\n"
    "  %r = linalg.generic {indexing_maps = [#map, #map, #map],\n"
    "      iterator_types = [\"parallel\", \"parallel\"]}\n"
    "      ins(%x, %y : tensor<?x4xf32>, tensor<?x4xf32>)\n"
    "      outs(%e : tensor<?x4xf32>) {\n"
    "  ^bb0(%u: f32, %v: f32, %o: f32):\n"
    "    %m = arith.mulf %a, %u : f32\n"
    "    %s = arith.addf %m, %v : f32\n"
    "    linalg.yield %s : f32\n"
    "  } -> tensor<?x4xf32>\n"
    "  return %r : tensor<?x4xf32>\n"
    "}\n";

static int fail(const char *what) {
  fprintf(stderr, "%s: %s\n", what, seqcLastErrorMessage());
  return 1;
}

int main(void) {
  SeqcContext *context;
  SeqcCompileOptions options;
  SeqcBuffer *artifact;
  SeqcProgram *program;
  SeqcValue arguments[3], result;
  float x[8], y[8];
  int64_t shape[2] = {2, 4}, strides[2] = {1, 2};
  const float *out;
  int i, j, bad = 0;

  if (seqcContextCreate(&context))
    return fail("context");
  seqcCompileOptionsInit(&options);
  options.source_name = "axpy.mlir";
  if (seqcCompile(context, source, strlen(source), &options, &artifact))
    return fail("compile");
  if (seqcProgramLoadBytes(seqcBufferData(artifact), seqcBufferSize(artifact),
                           NULL, &program))
    return fail("load");
  seqcBufferRelease(artifact);
  seqcContextRelease(context);

  /* The second operand is stored column by column. */
  for (i = 0; i < 8; ++i) {
    x[i] = (float)i;
    y[i] = 10.0f * (float)i;
  }
  memset(arguments, 0, sizeof(arguments));
  arguments[0].kind = SEQC_VALUE_FLOAT;
  arguments[0].as.f64 = 2.0;
  arguments[1].kind = SEQC_VALUE_TENSOR;
  arguments[1].as.tensor.data = x;
  arguments[1].as.tensor.dtype = SEQC_F32;
  arguments[1].as.tensor.rank = 2;
  arguments[1].as.tensor.shape = shape;
  arguments[2] = arguments[1];
  arguments[2].as.tensor.data = y;
  arguments[2].as.tensor.strides = strides;
  if (seqcProgramCall(program, "axpy", arguments, 3, &result, 1))
    return fail("call");
  out = (const float *)result.as.tensor.data;
  for (i = 0; i < 2; ++i)
    for (j = 0; j < 4; ++j)
      bad += out[i * result.as.tensor.strides[0] +
                 j * result.as.tensor.strides[1]] !=
             2.0f * x[4 * i + j] + y[i + 2 * j];
  seqcTensorRelease(&result.as.tensor);
  if (bad) {
    fprintf(stderr, "%d wrong elements\n", bad);
    return 1;
  }

  arguments[1].as.tensor.dtype = SEQC_F16;
  if (seqcProgramCall(program, "axpy", arguments, 3, &result, 1) !=
          SEQC_ERROR_INVALID_ARGUMENT ||
      !strstr(seqcLastErrorMessage(), "'x'"))
    return fail("expected an error that names the argument");
  seqcProgramRelease(program);
  return 0;
}
