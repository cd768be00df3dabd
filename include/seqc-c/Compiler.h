/*===- seqc-c/Compiler.h - Compile seqc programs ----------------*- C -*-===*\
|*                                                                            *|
|* Part of the seqc project, under the Apache License v2.0 with LLVM          *|
|* Exceptions.                                                                *|
|* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception                    *|
|*                                                                            *|
|*===----------------------------------------------------------------------===*|
|*                                                                            *|
|* The C API of libseqc.so: MLIR source in, an artifact or the text of a      *|
|* level out. libseqc.so needs libseqc-runtime.so, so one library compiles    *|
|* and, with seqcProgramLoadBytes(), runs without a file in between.          *|
|*                                                                            *|
|* Errors and threads are as in Runtime.h: a SeqcStatus per call, and         *|
|* seqcLastErrorMessage() for its text. The text of SEQC_ERROR_COMPILE is the *|
|* diagnostics, one per line, as "name:line:column: error: message"; the      *|
|* first line is the first error. SEQC_ERROR_INTERNAL is a fault of seqc, and *|
|* its text names the file of a reproducer: the source, and the pipeline that *|
|* failed on it.                                                              *|
|*                                                                            *|
\*===----------------------------------------------------------------------===*/

#ifndef SEQC_C_COMPILER_H
#define SEQC_C_COMPILER_H

#include "seqc-c/Runtime.h"

#ifdef __cplusplus
extern "C" {
#endif

/** The version of the compiler, such as "0.1.0". */
SEQC_EXPORT const char *seqcCompilerVersion(void);

/*===----------------------------------------------------------------------===*/
/* Buffers                                                                    */
/*===----------------------------------------------------------------------===*/

/** Bytes that a call hands out: text or binary. A zero byte follows the last,
 *  so text can be read as a C string. */
typedef struct SeqcBuffer SeqcBuffer;

SEQC_EXPORT const char *seqcBufferData(const SeqcBuffer *buffer);
SEQC_EXPORT size_t seqcBufferSize(const SeqcBuffer *buffer);
/** Does nothing on NULL. */
SEQC_EXPORT void seqcBufferRelease(SeqcBuffer *buffer);

/** Writes the bytes to a file: to a temporary one beside it, renamed when
 *  complete, so that `path` is never half-written. */
SEQC_EXPORT SeqcStatus seqcBufferWriteFile(const SeqcBuffer *buffer,
                                           const char *path);

/*===----------------------------------------------------------------------===*/
/* Contexts                                                                   */
/*===----------------------------------------------------------------------===*/

/** What compilations share. Create one per process and keep it: the first
 *  compilation pays for setting up dialects and code generation. May be used
 *  from several threads at once. */
typedef struct SeqcContext SeqcContext;

SEQC_EXPORT SeqcStatus seqcContextCreate(SeqcContext **context);

/** Does nothing on NULL. */
SEQC_EXPORT void seqcContextRelease(SeqcContext *context);

enum {
  SEQC_DIAGNOSTIC_NOTE = 0,
  SEQC_DIAGNOSTIC_WARNING = 1,
  SEQC_DIAGNOSTIC_ERROR = 2,
  SEQC_DIAGNOSTIC_REMARK = 3
};

/** Receives each diagnostic as it comes, on the thread that compiles. `text` is
 *  the whole line ("name:line:column: error: message") without a newline and is
 *  valid during the call only. A note belongs to the diagnostic before it. */
typedef void (*SeqcDiagnosticHandler)(int32_t severity, const char *text,
                                      void *user_data);

/** Sets the handler of later compilations in this context; NULL for none.
 *  Errors are collected into the message of the failed call either way. */
SEQC_EXPORT void seqcContextSetDiagnosticHandler(SeqcContext *context,
                                                 SeqcDiagnosticHandler handler,
                                                 void *user_data);

/*===----------------------------------------------------------------------===*/
/* Compiling                                                                  */
/*===----------------------------------------------------------------------===*/

/** How to compile. Clear it with seqcCompileOptionsInit(), which also sets
 *  `struct_size`; a field may then be left as it is. */
typedef struct SeqcCompileOptions {
  /** sizeof(SeqcCompileOptions) of the caller: lets later versions append. */
  size_t struct_size;
  /** Comma-separated target names out of seqcTargets(): "cpu", "sm_80" and
   *  "sm_90a" (NVIDIA GPUs). The artifact has code for each, in this order,
   *  which is also the order of preference at run time. NULL means "cpu". */
  const char *target;
  /** The processor for "cpu": NULL or "native" for this one, "generic" for
   *  x86-64-v3, or a name that LLVM knows, such as "znver4" or "x86-64-v4". */
  const char *cpu;
  /** Features to add or take away, as LLVM writes them: "+avx512bf16,-fma". */
  const char *features;
  /** Overrides of the schedule that the cost model picks, for every operator:
   *  "tile_m=64 tile_n=128 splits=4": queries or channels in a tile, keys or
   *  time steps in a tile (at most 4096 each), parts of the reduced dimension
   *  (at most 1024). For GPUs also "stages=2 warps=4": tiles of keys, and of
   *  values, in shared memory (at most 8), warps that compute a tile (1, 2, 4,
   *  8, 12 or 16). NULL or a value of 0 leaves the choice to the model. A
   *  prefix makes a value one of some targets: "gpu:tile_m=128",
   *  "cpu:tile_m=32", "sm_90a:stages=3"; later values win. */
  const char *schedule;
  /** What diagnostics call the source; NULL means "<source>". */
  const char *source_name;
  /** Folder that receives the program after every pass that changed it, each
   *  file named by its position, pass and function, then the LLVM IR, assembly
   *  and object. Created if missing. NULL for none. */
  const char *dump_dir;
  /** Folder for reproducers of internal failures. NULL means TMPDIR, else
   *  "/tmp". */
  const char *reproducer_dir;
  /** 0 to 3 for LLVM's optimiser; -1 (the default) means 3. */
  int32_t opt_level;
  /** Verify the program after every pass: 1 (the default) or 0. */
  int32_t verify_each;
  /** Where not NULL, receives a table of the time of each pass and stage, on
   *  success and on failure; the caller releases it. */
  SeqcBuffer **timing;
  /** GPUs: 1 (the default) where code may rely on the addresses and strides of
   *  arrays being multiples of 16 bytes, which the runtime then checks; 0 for
   *  code that takes any. */
  int32_t aligned;
  /** GPUs: 1 (the default) makes a kernel that would be slow an error: one
   *  that spills registers, or whose asynchronous matrix products ptxas makes
   *  wait for each other. 0 makes it a warning. */
  int32_t perf_errors;
  /** 1 (the default) where seqcCompile() may keep its result on disk, and take
   *  it from there; 0 for neither. The folder is SEQC_CACHE_DIR, else `seqc`
   *  in XDG_CACHE_HOME or ~/.cache; SEQC_CACHE_SIZE bounds it ("1G") and
   *  SEQC_CACHE=0 switches it off. Not used with `dump_dir` or `timing`. */
  int32_t cache;
  /** GPUs: the file of ptxas, which makes machine code of PTX. NULL searches:
   *  SEQC_PTXAS, PATH, CUDA_HOME/bin, /usr/local/cuda/bin, then
   *  `ptxas_folders`. Without ptxas, or with "none", an artifact has PTX only,
   *  which the GPU's driver compiles when it loads it. */
  const char *ptxas;
  /** Folders to search for ptxas last, separated by colons; NULL for none. */
  const char *ptxas_folders;
  /** GPUs: passes to leave out, by the names that `seqc-opt` gives them,
   *  separated by commas; NULL for none. They make kernels faster and nothing
   *  else, so results are the same but for rounding: this shows what a pass is
   *  worth. A name that is not of such a pass is an error that lists them. */
  const char *skip_passes;
} SeqcCompileOptions;

SEQC_EXPORT void seqcCompileOptionsInit(SeqcCompileOptions *options);

/** Compiles a module (MLIR text or bytecode) to an artifact. Its public
 *  functions become the artifact's. `options` may be NULL. */
SEQC_EXPORT SeqcStatus seqcCompile(SeqcContext *context, const char *source,
                                   size_t source_size,
                                   const SeqcCompileOptions *options,
                                   SeqcBuffer **artifact);

/** Compiles for one target up to a level and returns its text. Levels, in
 *  order:
 *
 *    "seqc"     L0: the source, parsed, verified and canonicalised
 *    "online"   L1: the operators in their online and chunked form
 *    "tiled"    L1 in loops over tiles, with schedules chosen
 *
 *  and then for "cpu":
 *
 *    "linalg"   tiles as linalg, math and arith
 *    "llvm"     the LLVM dialect
 *    "llvm-ir"  LLVM IR, optimised
 *    "asm"      assembly
 *    "object"   a relocatable object (binary)
 *    "library"  the shared object that goes into the artifact (binary)
 *
 *  and for GPUs:
 *
 *    "tile"     L2: kernels on tiles
 *    "staged"   L2 with layouts, shared memory and warp roles
 *    "thread"   L3: what one thread does
 *    "nvvm"     the LLVM dialect
 *    "plan"     what the host does in a call, and the kernels' parameters: JSON
 *    "llvm-ir"  LLVM IR, optimised
 *    "ptx"      PTX
 *    "ptxas-log"  what ptxas says of it
 *    "cubin"    the machine code that goes into the artifact (binary)
 *
 *  "seqc-bytecode" is the source as MLIR bytecode (binary). A level that is
 *  unknown or not of the target is an error that lists them. */
SEQC_EXPORT SeqcStatus seqcEmit(SeqcContext *context, const char *source,
                                size_t source_size,
                                const SeqcCompileOptions *options,
                                const char *level, SeqcBuffer **text);

/** The levels of seqcEmit(), separated by commas. */
SEQC_EXPORT const char *seqcEmitLevels(void);

/** The targets that this library compiles for, separated by commas. */
SEQC_EXPORT const char *seqcTargets(void);

/*===----------------------------------------------------------------------===*/
/* Explaining                                                                 */
/*===----------------------------------------------------------------------===*/

/** The chips of seqcExplain(), separated by commas. */
SEQC_EXPORT const char *seqcChips(void);

/** Predicts, per operator of a module, bytes moved per memory level, FLOPs,
 *  exponentials, on-chip bytes and time on `chip` (one of seqcChips(); NULL
 *  means "cpu", this machine), beside the unfused form. `json` non-zero asks
 *  for JSON, else a table. `sizes` gives dynamic sizes values by name, as in
 *  "B=2,S=1000,arg0.1=77"; the names are B, H, Hkv, S, Sq, Sk, D, L, G and
 *  arg<i>.<dim>, see docs/io-model.md. NULL for defaults; the report says which
 *  sizes it assumed. An unknown chip and a malformed size are
 *  SEQC_ERROR_INVALID_ARGUMENT. `options` may be NULL; its `schedule` and
 *  `source_name` apply. */
SEQC_EXPORT SeqcStatus seqcExplain(SeqcContext *context, const char *source,
                                   size_t source_size,
                                   const SeqcCompileOptions *options,
                                   const char *chip, const char *sizes,
                                   int32_t json, SeqcBuffer **report);

#ifdef __cplusplus
} /* extern "C" */
#endif

#endif /* SEQC_C_COMPILER_H */
