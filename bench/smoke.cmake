# SPDX-License-Identifier: MIT
# cmake -DBENCH=... -P smoke.cmake: gn-bench measures one small layer, and refuses bad options.
cmake_policy(VERSION 3.25)

set(expected "4x32x5x5/8/first/forward/threads:1" "4x32x5x5/8/first/backward/threads:1"
  "4x32x5x5/8/last/forward/threads:1" "4x32x5x5/8/last/backward/threads:1"
  "1x32x1/32/first/forward/threads:1")
execute_process(
  COMMAND ${BENCH} --shape 4x32x5x5/8 --shape=1x32x1/32 --threads 1 --isa auto,generic
    --benchmark_filter=^4x.*isa:generic|^1x.*first/forward.*isa:generic --loops
    --benchmark_min_time=0.001 --benchmark_format=json
  OUTPUT_VARIABLE json ERROR_VARIABLE errors RESULT_VARIABLE code)
if(code)
  message(FATAL_ERROR "gn-bench exits with ${code}: ${errors}")
endif()
string(JSON count LENGTH "${json}" benchmarks)
list(LENGTH expected expected_count)
if(NOT count EQUAL expected_count)
  message(FATAL_ERROR "${count} benchmarks, not ${expected_count}:\n${json}")
endif()
foreach(name IN LISTS expected)
  list(FIND expected ${name} i)
  string(JSON seen GET "${json}" benchmarks ${i} name)
  if(NOT seen STREQUAL "${name}/isa:generic/manual_time")
    message(FATAL_ERROR "benchmark ${i} is ${seen}, not ${name}/isa:generic/manual_time")
  endif()
  foreach(key IN ITEMS real_time copy_us ratio efficiency GB/s loops_us
      loops_efficiency)
    string(JSON value GET "${json}" benchmarks ${i} ${key})
    if(NOT value GREATER 0)
      message(FATAL_ERROR "${name}: ${key} is ${value}")
    endif()
  endforeach()
endforeach()

# refuses(SENTENCE OPTION...): one line on stderr that matches, nothing on stdout, exit code 2.
function(refuses sentence)
  execute_process(COMMAND ${BENCH} ${ARGN}
    OUTPUT_VARIABLE output ERROR_VARIABLE errors RESULT_VARIABLE code)
  if(NOT code EQUAL 2 OR NOT output STREQUAL "" OR NOT errors MATCHES "^gn-bench: [^\n]*\n$"
     OR NOT errors MATCHES "${sentence}")
    message(FATAL_ERROR "gn-bench ${ARGN}: exit code ${code}, output ${output}, errors ${errors}")
  endif()
endfunction()
refuses("no option --speed" --speed 3)
refuses("is no option" fast)
refuses("lacks its value" --shape)
refuses("is not NxCx" --shape 8x512)
refuses("is not NxCx" --shape 8/4)
refuses("is not NxCx" --shape 8x0x4/4)
refuses("is not NxCx" --shape 8x12x/4)
refuses("is not NxCx" --shape 1x2x3x4x5x6x7x8x9/1)
refuses("too many" --shape 4000000000x4000000000/1)
refuses("do not divide" --shape 8x512x7x7/3)
refuses("cannot read" --shapes /no/such/file)
refuses("none of first, last" --shape 1x4/2 --layout middle)
refuses("none of forward, backward" --shape 1x4/2 --direction=)
refuses("from 1 to 1024" --shape 1x4/2 --threads 1,0)
refuses("none of auto" --shape 1x4/2 --isa mmx)
refuses("takes no value" --shape 1x4/2 --loops=1)
refuses("none of f32, f64" --shape 1x4/2 --type f8)
refuses("none of identity, relu" --shape 1x4/2 --activation gelu)
refuses("for f32 without an activation" --shape 1x4/2 --type bf16 --loops)

# Every type with every activation, beside f32 without one.
execute_process(
  COMMAND ${BENCH} --shape 4x32x5x5/8 --threads 1 --isa generic --layout last
    --type f32,f64,bf16,f16 --activation identity,relu,silu
    --benchmark_min_time=0.0001 --benchmark_format=json
  OUTPUT_VARIABLE json ERROR_VARIABLE errors RESULT_VARIABLE code)
if(code)
  message(FATAL_ERROR "gn-bench --type exits with ${code}: ${errors}")
endif()
string(JSON count LENGTH "${json}" benchmarks)
if(NOT count EQUAL 24)
  message(FATAL_ERROR "${count} benchmarks, not 24:\n${json}")
endif()
string(JSON name GET "${json}" benchmarks 8 name)
if(NOT name STREQUAL "4x32x5x5/8/last/forward/threads:1/isa:generic/type:bf16/act:silu/manual_time")
  message(FATAL_ERROR "benchmark 8 is ${name}")
endif()
string(JSON value GET "${json}" benchmarks 8 of_plain)
if(NOT value GREATER 0)
  message(FATAL_ERROR "${name}: of_plain is ${value}")
endif()
