# What the wheel holds besides the package's own files, which
# python/CMakeLists.txt installs: the "python" component.
#
# Everything lies in the package's directory and finds its neighbours there
# ($ORIGIN), the OpenMP runtime included, so an installed package needs neither
# LLVM nor a search path. A library is installed under the name it is looked up
# by, once: a wheel has no links.

if(NOT SEQC_BUILD_PYTHON OR NOT TARGET seqc-python)
  return()
endif()

foreach(target seqc-shared seqc-runtime)
  if(NOT TARGET ${target})
    return()
  endif()
  set_target_properties(${target} PROPERTIES INSTALL_RPATH "$ORIGIN")
  install(TARGETS ${target} LIBRARY DESTINATION seqc COMPONENT python
          NAMELINK_SKIP)
endforeach()

file(REAL_PATH ${SEQC_LIBOMP} seqc_libomp)
install(FILES ${seqc_libomp} DESTINATION seqc COMPONENT python
        RENAME libomp.so.5)

# The driver; the package's entry point `seqc` starts it.
if(TARGET seqc)
  set_target_properties(seqc PROPERTIES INSTALL_RPATH "$ORIGIN/..")
  install(TARGETS seqc RUNTIME DESTINATION seqc/bin COMPONENT python)
endif()
