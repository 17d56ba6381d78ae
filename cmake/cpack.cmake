# SPDX-License-Identifier: MIT
# Read by cpack, once for each kind of package.

if(NOT CPACK_INSTALL_CMAKE_PROJECTS)
  # The archive of the sources, instead of all that lies in their directory.
  set(CPACK_INSTALLED_DIRECTORIES "")
  set(CPACK_PACKAGING_INSTALL_PREFIX "/")
  set(CPACK_INSTALL_SCRIPTS ${CMAKE_CURRENT_LIST_DIR}/source.cmake)
elseif(CPACK_GENERATOR STREQUAL "DEB")
  set(CPACK_PRE_BUILD_SCRIPTS ${CMAKE_CURRENT_LIST_DIR}/debian.cmake)
endif()
