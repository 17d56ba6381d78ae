# SPDX-License-Identifier: MIT
# Says what is missing where no C program can be built: a compiler without the C library's headers
# fails in project() with the linker's words only.

if(NOT DEFINED CMAKE_C_COMPILER)
  include(CheckLanguage)
  check_language(C)
  set(found "${CMAKE_C_COMPILER}")
  # CMake looks again by itself: $CC may have arguments, which are not in here.
  unset(CMAKE_C_COMPILER CACHE)
  unset(CMAKE_C_COMPILER)
  if(NOT found)
    message(FATAL_ERROR "There is no C compiler here that can build a program. On Debian it needs "
      "the C library's headers and start files too: apt-get install gcc libc6-dev")
  endif()
endif()
