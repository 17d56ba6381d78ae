# SPDX-License-Identifier: MIT
# cmake -DCOMPARE=... -DLIBRARY=... -DOTHER=... -P smoke_compare.cmake: gn-compare compares a library with
# itself, and refuses bad options. OTHER is a library of something else.
cmake_policy(VERSION 3.25)

# compares(STATUS OPTION...): the output is left in `output`.
function(compares status)
  execute_process(COMMAND ${COMPARE} ${LIBRARY} ${LIBRARY} --seconds=0.001 ${ARGN}
    OUTPUT_VARIABLE output ERROR_VARIABLE errors RESULT_VARIABLE code)
  if(NOT code EQUAL status OR errors)
    message(FATAL_ERROR "gn-compare ${ARGN}: exit code ${code}\n${output}${errors}")
  endif()
  set(output "${output}" PARENT_SCOPE)
endfunction()

set(number "[0-9]+[.][0-9]+")
compares(0 --shape 4x32x5x5/8 --isa generic,generic --threads 1,2 --type f32,bf16
  --activation silu --slower 1e9)
string(REGEX MATCHALL "4x32x5x5/8/[^ ]* +${number} +${number} +${number} +${number}-${number} +${number}\n"
  rows "${output}")
list(LENGTH rows count)
if(NOT count EQUAL 16)
  message(FATAL_ERROR "${count} rows, not 16:\n${output}")
endif()
if(NOT output MATCHES "geometric mean of 16, all: ${number}\n")
  message(FATAL_ERROR "no geometric mean of all:\n${output}")
endif()

# Every case is slower by more than -100 %.
compares(1 --shape 2x4/2 --in-place --slower -100)
if(NOT output MATCHES "slower by more than -100 %: 2x4/2/last/forward/[^ ]*/in_place\n"
   OR output MATCHES "backward")
  message(FATAL_ERROR "not the forward cases alone, or none slower:\n${output}")
endif()

# refuses(SENTENCE ARGUMENT...): one line on stderr that matches, exit code 2.
function(refuses sentence)
  execute_process(COMMAND ${COMPARE} ${ARGN}
    OUTPUT_VARIABLE output ERROR_VARIABLE errors RESULT_VARIABLE code)
  if(NOT code EQUAL 2 OR NOT errors MATCHES "^gn-compare: [^\n]*\n$"
     OR NOT errors MATCHES "${sentence}")
    message(FATAL_ERROR "gn-compare ${ARGN}: exit code ${code}, output ${output}, errors ${errors}")
  endif()
endfunction()
refuses("two libraries" ${LIBRARY})
refuses("two libraries" ${LIBRARY} ${LIBRARY} ${LIBRARY})
refuses("cannot load" no-such.so ${LIBRARY})
refuses("no gn_last_error" ${LIBRARY} ${OTHER})
refuses("is no number" ${LIBRARY} ${LIBRARY} --slower much)
refuses("from 0 to 3600" ${LIBRARY} ${LIBRARY} --seconds=1e300)
refuses("goes without" ${LIBRARY} ${LIBRARY} --in-place --direction backward)
refuses("no option --speed" ${LIBRARY} ${LIBRARY} --speed 3)
refuses("no option --loops" ${LIBRARY} ${LIBRARY} --loops 1)
refuses("lacks its value" ${LIBRARY} ${LIBRARY} --seconds)
refuses("neon" ${LIBRARY} ${LIBRARY} --shape 2x4/2 --isa avx512,neon)
