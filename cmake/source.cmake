# SPDX-License-Identifier: MIT
# Run by cpack for the archive of the sources: copies the files that git tracks.

cmake_minimum_required(VERSION 3.25)
cmake_path(GET CMAKE_CURRENT_LIST_DIR PARENT_PATH source_dir)
execute_process(COMMAND git -c core.quotePath=off ls-files
  WORKING_DIRECTORY ${source_dir} OUTPUT_VARIABLE files RESULT_VARIABLE failed
  OUTPUT_STRIP_TRAILING_WHITESPACE)
if(failed OR NOT files)
  message(FATAL_ERROR "The archive has the files that git tracks, and git ls-files lists none.")
endif()
string(REPLACE "\n" ";" files "${files}")
foreach(file IN LISTS files)
  cmake_path(GET file PARENT_PATH dir)
  file(COPY ${source_dir}/${file} DESTINATION ${CMAKE_INSTALL_PREFIX}/${dir})
endforeach()
