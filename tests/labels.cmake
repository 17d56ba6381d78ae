# SPDX-License-Identifier: MIT
#
# Which tests are quick and which are long, and how ctest runs them side by side.
#
# `ctest -L quick` takes about a minute on two cores. Each long test has a quick one that checks
# the same with less work.

# Quick variants of long tests.
add_test(NAME fuzz_quick COMMAND test_fuzz 4000)
add_test(NAME large_quick COMMAND test_large short)

# gn_long(NAME QUICK SECONDS): the test NAME takes so many seconds of processor time; QUICK is its
# quick counterpart. Either may be missing, as not every build has all tests.
function(gn_long name quick seconds)
  if(TEST ${name})
    set_tests_properties(${name} PROPERTIES LABELS long COST ${seconds} TIMEOUT 1800)
    if(NOT TEST ${quick})
      message(FATAL_ERROR "The long test ${name} has no quick counterpart ${quick}")
    endif()
  endif()
endfunction()

gn_long(fuzz fuzz_quick 28)
gn_long(digest golden 20)
gn_long(large large_quick 14)
gn_long(python_torch python_numpy 60)
gn_long(python_onnx python_numpy 20)
gn_long(python_network python_numpy 60)

# All other tests are quick. ctest starts the costly ones first.
get_property(tests DIRECTORY PROPERTY TESTS)
foreach(test IN LISTS tests)
  get_property(label TEST ${test} PROPERTY LABELS)
  if(NOT label)
    set_tests_properties(${test} PROPERTIES LABELS quick)
  endif()
endforeach()
set(costs ill_conditioned 10 shapes 6 large_quick 6 fuzz_quick 5 fuzz_f32 4 silu 4 threads 4 invariance 3
  python_numpy 2)
while(costs)
  list(POP_FRONT costs test seconds)
  if(TEST ${test})
    set_tests_properties(${test} PROPERTIES COST ${seconds})
  endif()
endwhile()

# By default, OpenMP's threads spin for milliseconds while they wait. On a busy machine they thereby
# keep the processor from the thread that they wait for, which was nine tenths of the time of
# `ill_conditioned` there. With `passive` they sleep at once. The tests of threads themselves need
# threads that are awake when a call begins: these spin, but for a fraction of a millisecond. These
# tests take more than one processor, as do those that compile and those that compute for long.
set(spinning threads nontemporal alloc_hooks alloc_concurrent dlopen_twice dlopen_threads)
set(parallel ${spinning} large large_quick python_torch python_network)
foreach(test IN LISTS tests)
  # A test that hangs is ended; one that is slow because the machine is busy is not.
  get_property(seconds TEST ${test} PROPERTY TIMEOUT)
  if(NOT seconds OR seconds LESS 300)
    set_tests_properties(${test} PROPERTIES TIMEOUT 300)
  endif()
  if(test IN_LIST spinning)
    set_property(TEST ${test} APPEND PROPERTY ENVIRONMENT GOMP_SPINCOUNT=10000)
  else()
    set_property(TEST ${test} APPEND PROPERTY ENVIRONMENT OMP_WAIT_POLICY=passive)
  endif()
  if(test IN_LIST parallel)
    set_tests_properties(${test} PROPERTIES PROCESSORS 2)
  endif()
  # ctest keeps what a test prints to itself: progress goes to where the caller wants it, else to
  # the terminal if there is one.
  set_property(TEST ${test} APPEND PROPERTY ENVIRONMENT_MODIFICATION
               GN_TEST_PROGRESS=path_list_append:/dev/tty)
endforeach()
