# Helpers for seqc's libraries and tools.

# Code generation and warnings, the same for every target, so that one
# precompiled header serves them all.
add_compile_options(-fvisibility-inlines-hidden -ffunction-sections
                    -fdata-sections -Wall -Wextra -Wno-unused-parameter)
if(NOT LLVM_ENABLE_RTTI)
  message(FATAL_ERROR "seqc needs an LLVM built with RTTI")
endif()
add_compile_definitions(${LLVM_DEFINITIONS_LIST})
if(SEQC_ENABLE_ASSERTIONS)
  add_compile_options(-UNDEBUG)
endif()
if(SEQC_SANITIZE)
  add_compile_options(-fsanitize=${SEQC_SANITIZE} -fno-omit-frame-pointer -g1
                      -fno-sanitize=vptr,function)
  add_link_options(-fsanitize=${SEQC_SANITIZE})
endif()
add_link_options(-fuse-ld=lld -Wl,--gc-sections)

# Every static MLIR and LLVM archive this configuration ships, as one group:
# the linker takes what is referenced. MLIR's exported CMake targets would pull
# in libLLVM.so, and a process that holds LLVM twice aborts at start.
file(GLOB SEQC_MLIR_ARCHIVES ${LLVM_ROOT}/lib/libMLIR*.a)
list(FILTER SEQC_MLIR_ARCHIVES EXCLUDE REGEX "libMLIR(CAPI|Python|.*Runner|.*Test)")
file(GLOB SEQC_LLVM_ARCHIVES ${LLVM_ROOT}/lib/libLLVM*.a)
file(GLOB SEQC_LLD_ARCHIVES ${LLVM_ROOT}/lib/liblldELF.a ${LLVM_ROOT}/lib/liblldCommon.a)
find_package(ZLIB REQUIRED)
add_library(seqc-upstream INTERFACE)
target_link_libraries(seqc-upstream INTERFACE
  -Wl,--start-group ${SEQC_MLIR_ARCHIVES} ${SEQC_LLD_ARCHIVES}
  ${SEQC_LLVM_ARCHIVES} -Wl,--end-group ZLIB::ZLIB zstd pthread dl m)

# The precompiled header: MLIR's costliest headers, parsed once.
file(WRITE ${CMAKE_BINARY_DIR}/pch.cpp.in "// Holds the precompiled header.\n")
configure_file(${CMAKE_BINARY_DIR}/pch.cpp.in ${CMAKE_BINARY_DIR}/pch.cpp COPYONLY)
add_library(seqc-pch OBJECT ${CMAKE_BINARY_DIR}/pch.cpp)
target_precompile_headers(seqc-pch PRIVATE
  ${CMAKE_CURRENT_SOURCE_DIR}/cmake/Precompiled.h)

# seqc_library(Name sources... [DEPENDS targets...] [LINK libs...])
function(seqc_library name)
  cmake_parse_arguments(ARG "" "" "DEPENDS;LINK" ${ARGN})
  add_library(${name} STATIC ${ARG_UNPARSED_ARGUMENTS})
  target_precompile_headers(${name} REUSE_FROM seqc-pch)
  add_dependencies(${name} seqc-headers ${ARG_DEPENDS})
  target_link_libraries(${name} PUBLIC ${ARG_LINK})
endfunction()

# seqc_tool(name sources... [LINK libs...]): an executable linked with upstream.
function(seqc_tool name)
  cmake_parse_arguments(ARG "" "" "LINK" ${ARGN})
  add_executable(${name} ${ARG_UNPARSED_ARGUMENTS})
  # -fPIC rather than -fPIE, to share the libraries' precompiled header.
  set_target_properties(${name} PROPERTIES POSITION_INDEPENDENT_CODE OFF)
  target_compile_options(${name} PRIVATE -fPIC)
  target_precompile_headers(${name} REUSE_FROM seqc-pch)
  add_dependencies(${name} seqc-headers)
  target_link_libraries(${name} PRIVATE ${ARG_LINK} seqc-upstream)
  if(NOT SEQC_SANITIZE)
    target_link_options(${name} PRIVATE -Wl,-s)
  endif()
endfunction()
