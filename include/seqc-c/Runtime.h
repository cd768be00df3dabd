/*===- seqc-c/Runtime.h - Load and run compiled seqc programs ---*- C -*-===*\
|*                                                                            *|
|* Part of the seqc project, under the Apache License v2.0 with LLVM          *|
|* Exceptions.                                                                *|
|* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception                    *|
|*                                                                            *|
|*===----------------------------------------------------------------------===*|
|*                                                                            *|
|* The C API of libseqc-runtime.so. It loads an artifact (a `.seqc` file or   *|
|* the bytes of one), lists its functions and calls them on arrays in host    *|
|* memory, or in the memory of an NVIDIA GPU. It holds no compiler.           *|
|*                                                                            *|
|* Errors. Every call that can fail returns a SeqcStatus: zero on success,    *|
|* else a code. seqcLastErrorMessage() then returns the message of the last   *|
|* call that failed on this thread: one line that names the value, its type   *|
|* and what was expected. A call that succeeds leaves the message as it was.  *|
|*                                                                            *|
|* Threads. Every function may be called from any thread, several at a time,  *|
|* on the same program. Only releasing a handle while another thread still    *|
|* uses it is the caller's error.                                             *|
|*                                                                            *|
\*===----------------------------------------------------------------------===*/

#ifndef SEQC_C_RUNTIME_H
#define SEQC_C_RUNTIME_H

#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__)
#define SEQC_EXPORT __attribute__((visibility("default")))
#else
#define SEQC_EXPORT
#endif

#ifdef __cplusplus
extern "C" {
#endif

/*===----------------------------------------------------------------------===*/
/* Version                                                                    */
/*===----------------------------------------------------------------------===*/

/** The version of this interface: structures and functions below, and the way
 *  an artifact's functions are called. It changes when either changes in a way
 *  that an existing caller or artifact would notice. */
#define SEQC_ABI_VERSION 1

/** The version of the library, such as "0.1.0". */
SEQC_EXPORT const char *seqcRuntimeVersion(void);

/** The SEQC_ABI_VERSION that the library was built with. */
SEQC_EXPORT int32_t seqcRuntimeAbiVersion(void);

/*===----------------------------------------------------------------------===*/
/* Status                                                                     */
/*===----------------------------------------------------------------------===*/

enum {
  SEQC_OK = 0,
  /** An argument of the call is wrong: a null pointer, an unknown name, or a
   *  value that does not match the function's signature. */
  SEQC_ERROR_INVALID_ARGUMENT = 1,
  /** No function, target or file of that name. */
  SEQC_ERROR_NOT_FOUND = 2,
  /** The bytes are not an artifact, or a truncated, corrupt or too new one. */
  SEQC_ERROR_INVALID_ARTIFACT = 3,
  /** Well-formed, but not supported here, such as code for another machine. */
  SEQC_ERROR_UNSUPPORTED = 4,
  /** The operating system refused: reading, writing, loading code. */
  SEQC_ERROR_IO = 5,
  /** The source program is wrong; the message carries the diagnostics. */
  SEQC_ERROR_COMPILE = 6,
  /** A fault of seqc itself; the message names a reproducer where one could be
   *  written. */
  SEQC_ERROR_INTERNAL = 7,
  SEQC_ERROR_OUT_OF_MEMORY = 8,
  /** The GPU or its driver failed; the message has the driver's own. */
  SEQC_ERROR_DEVICE = 9,
  /** The address or a stride of an array does not suit the code, which was
   *  compiled for aligned arrays; the message says which and what it needs. */
  SEQC_ERROR_MISALIGNED = 10
};

/** SEQC_OK or one of SEQC_ERROR_*. */
typedef int32_t SeqcStatus;

/** The message of the last call of this library (or of libseqc) that failed on
 *  the calling thread; "" if none did. Valid until the next failure on this
 *  thread. */
SEQC_EXPORT const char *seqcLastErrorMessage(void);

/** A short name of a status, such as "invalid argument". */
SEQC_EXPORT const char *seqcStatusName(SeqcStatus status);

/*===----------------------------------------------------------------------===*/
/* Values                                                                     */
/*===----------------------------------------------------------------------===*/

/** Element types. `SEQC_I1` is one byte per element, 0 or 1. `index` values of
 *  a program appear as SEQC_I64. */
enum {
  SEQC_F16 = 1,
  SEQC_BF16 = 2,
  SEQC_F32 = 3,
  SEQC_F64 = 4,
  SEQC_I1 = 5,
  SEQC_I8 = 6,
  SEQC_I32 = 7,
  SEQC_I64 = 8
};
typedef int32_t SeqcDType;

/** "f16", "bf16", "f32", "f64", "i1", "i8", "i32", "i64"; NULL if unknown. */
SEQC_EXPORT const char *seqcDTypeName(SeqcDType dtype);

/** Bytes of one element; 0 if unknown. */
SEQC_EXPORT size_t seqcDTypeSize(SeqcDType dtype);

/** Where `data` points. Zero, so that a cleared structure means host memory.
 *  The number for CUDA is DLPack's. */
enum { SEQC_DEVICE_HOST = 0, SEQC_DEVICE_CUDA = 2 };

/** A view of an array. Nothing is copied: a function reads and writes through
 *  `data` with the given strides, which may be any, also zero and negative.
 *
 *  As an argument all of it belongs to the caller and needs to live until the
 *  call returns; `owner` is ignored. As a result it is filled by the call and
 *  belongs to the caller, who hands it to seqcTensorRelease() once; `data`,
 *  `shape` and `strides` point into memory that `owner` keeps. Structures may
 *  be copied; release only one of the copies. A result outlives the program. */
typedef struct SeqcTensor {
  /** The element at index 0 in every dimension. May be NULL only when the
   *  array has no element. Aligned to the size of an element. */
  void *data;
  SeqcDType dtype;
  int32_t rank;
  /** `rank` sizes, each at least 0. May be NULL when rank is 0. */
  const int64_t *shape;
  /** `rank` steps, in elements. NULL means dense row-major. */
  const int64_t *strides;
  /** SEQC_DEVICE_*: host memory for a program of a target of kind "cpu", and
   *  memory of one GPU for all tensors of a call of kind "cuda". */
  int32_t device_type;
  /** The number of the GPU, as the CUDA driver counts them; else 0. */
  int32_t device_id;
  /** What seqcTensorRelease() frees. */
  void *owner;
} SeqcTensor;

enum {
  /** `as.tensor` */
  SEQC_VALUE_TENSOR = 1,
  /** `as.i64`: for parameters of type i1, i8, i32, i64 and index. */
  SEQC_VALUE_INT = 2,
  /** `as.f64`: for parameters of type f16, bf16, f32 and f64, rounded to
   *  nearest. */
  SEQC_VALUE_FLOAT = 3
};

/** An argument or a result. */
typedef struct SeqcValue {
  /** SEQC_VALUE_* */
  int32_t kind;
  int32_t reserved;
  union {
    SeqcTensor tensor;
    int64_t i64;
    double f64;
  } as;
} SeqcValue;

/** Frees what a result tensor holds and clears the structure. Does nothing on
 *  NULL and on a tensor without owner. */
SEQC_EXPORT void seqcTensorRelease(SeqcTensor *tensor);

/** seqcTensorRelease() for the memory alone: `owner` is that of a result whose
 *  other fields are no longer at hand.
 *
 *  Memory of a GPU is given back in the order of the stream of the call that
 *  allocated it: first put what still reads it into that stream, or make the
 *  stream wait for it, and destroy the stream later than the result. */
SEQC_EXPORT void seqcOwnerRelease(void *owner);

/*===----------------------------------------------------------------------===*/
/* Programs                                                                   */
/*===----------------------------------------------------------------------===*/

/** An artifact loaded for one target. */
typedef struct SeqcProgram SeqcProgram;

/** A function of a program; lives as long as the program. */
typedef struct SeqcFunction SeqcFunction;

/** Reads an artifact from a file and loads the code for `target`: "cpu",
 *  "sm_80" (NVIDIA GPUs of compute capability 8.0 and up) or "sm_90a" (9.0).
 *  NULL picks the first target of the artifact that this machine can run.
 *
 *  Loading code for a GPU by name needs no GPU. Each GPU gets the code when a
 *  call first uses it there; that it cannot run there is the call's error. */
SEQC_EXPORT SeqcStatus seqcProgramLoadFile(const char *path, const char *target,
                                           SeqcProgram **program);

/** The same for an artifact in memory, which is not needed after the call. */
SEQC_EXPORT SeqcStatus seqcProgramLoadBytes(const void *bytes, size_t size,
                                            const char *target,
                                            SeqcProgram **program);

/** Unloads the code. Does nothing on NULL. */
SEQC_EXPORT void seqcProgramRelease(SeqcProgram *program);

/** The target whose code was loaded. */
SEQC_EXPORT const char *seqcProgramTarget(const SeqcProgram *program);

/** The artifact's metadata, a JSON object: "seqc" (compiler version),
 *  "functions" (signatures as below), "targets" (name, kind and properties of
 *  each). */
SEQC_EXPORT const char *seqcProgramMetadata(const SeqcProgram *program);

SEQC_EXPORT size_t seqcProgramNumFunctions(const SeqcProgram *program);

/** The function at `index`, in the order of the source; NULL past the end. */
SEQC_EXPORT const SeqcFunction *seqcProgramFunction(const SeqcProgram *program,
                                                    size_t index);

/** The function of that name, or SEQC_ERROR_NOT_FOUND with a message that lists
 *  the names there are. */
SEQC_EXPORT SeqcStatus seqcProgramLookup(const SeqcProgram *program,
                                         const char *name,
                                         const SeqcFunction **function);

SEQC_EXPORT const char *seqcFunctionName(const SeqcFunction *function);
SEQC_EXPORT size_t seqcFunctionNumArguments(const SeqcFunction *function);
SEQC_EXPORT size_t seqcFunctionNumResults(const SeqcFunction *function);

/** The signature, as a JSON object:
 *
 *    {"name": "f",
 *     "arguments": [
 *       {"name": "query", "kind": "tensor", "dtype": "f32",
 *        "shape": [null, 8, null, 64]},
 *       {"kind": "scalar", "dtype": "i64"}],
 *     "results": [
 *       {"kind": "tensor", "dtype": "f32", "shape": [null, 8, null, 64]}]}
 *
 *  `null` is a size known only at the call; "name" is there where the source
 *  gives one (the `seqc.name` attribute of an argument or result). "dtype" is
 *  one of the names of seqcDTypeName(), or "index". Where the program needs
 *  sizes of several arguments to agree, there are also
 *
 *     "equal": [[[0, 2], [1, 2]]], "multiple": [[[0, 1], [1, 1]]]
 *
 *  where [0, 2] is dimension 2 of argument 0: the sizes of each group of
 *  "equal" are the same, and the first of each pair of "multiple" is a multiple
 *  of the second; one of the two may be a number. seqcFunctionCall() checks
 *  these conditions. */
SEQC_EXPORT const char *seqcFunctionSignature(const SeqcFunction *function);

/** Calls a function. `arguments` holds one value per argument and `results` has
 *  room for one per result; the counts must be the signature's. Arguments are
 *  checked first: kind, element type, rank, sizes, alignment, device and null
 *  pointers. On failure `results` is untouched and nothing needs to be
 *  released. Result tensors never share memory with arguments. */
SEQC_EXPORT SeqcStatus seqcFunctionCall(const SeqcFunction *function,
                                        const SeqcValue *arguments,
                                        size_t num_arguments,
                                        SeqcValue *results, size_t num_results);

/** The same, in order with other work of a GPU and without waiting for it.
 *
 *  On a program for GPUs the work goes into `stream`, a CUstream of the
 *  arguments' device (NULL is the default stream, as everywhere in CUDA), and
 *  the call returns at once: arguments and results must live until the work is
 *  done. It may be called while the stream is captured into a graph. On one
 *  for the CPU `stream` is ignored and the results are there on return.
 *
 *  Unlike in seqcFunctionCall(), `results` is read: a result of kind
 *  SEQC_VALUE_TENSOR whose `data` is not NULL is memory to write to, of the
 *  result's element type, shape and device and any strides that the program
 *  takes, and remains the caller's. Other results are allocated, on a GPU in
 *  the order of `stream`. So clear the structures of `results` first. */
SEQC_EXPORT SeqcStatus seqcFunctionCallAsync(const SeqcFunction *function,
                                             const SeqcValue *arguments,
                                             size_t num_arguments,
                                             SeqcValue *results,
                                             size_t num_results, void *stream);

/** The shapes that the results of a call would have: writes the sizes of all
 *  tensor results, one after another, to `sizes`, whose length `num_sizes` is
 *  the sum of their ranks. The arguments' memory is not touched and may be
 *  absent. Programs for the CPU only know their results' shapes by computing
 *  them: SEQC_ERROR_UNSUPPORTED where one is dynamic. */
SEQC_EXPORT SeqcStatus seqcFunctionResultShapes(const SeqcFunction *function,
                                                const SeqcValue *arguments,
                                                size_t num_arguments,
                                                int64_t *sizes,
                                                size_t num_sizes);

/** seqcProgramLookup() and seqcFunctionCall() in one. */
SEQC_EXPORT SeqcStatus seqcProgramCall(const SeqcProgram *program,
                                       const char *name,
                                       const SeqcValue *arguments,
                                       size_t num_arguments, SeqcValue *results,
                                       size_t num_results);

/*===----------------------------------------------------------------------===*/
/* GPUs                                                                       */
/*                                                                            */
/* The CUDA driver's library is opened by the first call that needs it:       */
/* "libcuda.so.1", or what the environment variable SEQC_CUDA_DRIVER names. A */
/* call works in the current context of its thread where that is one of the   */
/* arguments' device, else in the device's primary context.                   */
/*===----------------------------------------------------------------------===*/

/** How many GPUs there are. Fails where there is no driver, no GPU, or a driver
 *  that is too old; the message says which. */
SEQC_EXPORT SeqcStatus seqcDeviceCount(int32_t *count);

/** The compute capability of a GPU, 10 * major + minor: 90 for 9.0. */
SEQC_EXPORT SeqcStatus seqcDeviceCapability(int32_t device_id,
                                            int32_t *capability);

/** The GPU whose memory `pointer` points into. */
SEQC_EXPORT SeqcStatus seqcPointerDevice(const void *pointer,
                                         int32_t *device_id);

/** Makes later work of the CUstream `waiting` wait for all that is in `stream`
 *  now. */
SEQC_EXPORT SeqcStatus seqcStreamWait(int32_t device_id, void *waiting,
                                      void *stream);

/** A point in the work of a stream. */
typedef struct SeqcMark SeqcMark;

/** Marks the end of what is in `stream` now. */
SEQC_EXPORT SeqcStatus seqcMarkCreate(int32_t device_id, void *stream,
                                      SeqcMark **mark);

/** Whether the work before the mark is done; 1 also where the GPU has failed.
 */
SEQC_EXPORT int32_t seqcMarkIsDone(const SeqcMark *mark);

/** Does nothing on NULL. */
SEQC_EXPORT void seqcMarkRelease(SeqcMark *mark);

/*===----------------------------------------------------------------------===*/
/* Threads                                                                    */
/*===----------------------------------------------------------------------===*/

/** How many threads one call may use, for every call that starts later in this
 *  process. 0 means all that OpenMP allows (OMP_NUM_THREADS, else the cores of
 *  this process). Other libraries that use OpenMP are not affected. */
SEQC_EXPORT SeqcStatus seqcSetNumThreads(int32_t count);

/** How many threads a call that starts now may use. */
SEQC_EXPORT int32_t seqcGetNumThreads(void);

#ifdef __cplusplus
} /* extern "C" */
#endif

#endif /* SEQC_C_RUNTIME_H */
