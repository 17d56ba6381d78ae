# SPDX-License-Identifier: MIT
# cmake --install: the library, its header, gn.pc and the CMake package; cpack: a package of them.

include(CMakePackageConfigHelpers)

install(TARGETS groupnorm EXPORT groupnormTargets
  PUBLIC_HEADER DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}
  INCLUDES DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})

set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/groupnorm)
install(EXPORT groupnormTargets NAMESPACE groupnorm:: DESTINATION ${package_dir})
configure_package_config_file(cmake/groupnormConfig.cmake.in groupnormConfig.cmake
  INSTALL_DESTINATION ${package_dir})
write_basic_package_version_file(groupnormConfigVersion.cmake COMPATIBILITY SameMajorVersion)
install(FILES ${PROJECT_BINARY_DIR}/groupnormConfig.cmake
  ${PROJECT_BINARY_DIR}/groupnormConfigVersion.cmake DESTINATION ${package_dir})

# gn.pc finds the prefix from its own place, so that an installed tree can be moved.
set(pc_dir ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
if(IS_ABSOLUTE ${CMAKE_INSTALL_LIBDIR})
  set(pc_prefix ${CMAKE_INSTALL_PREFIX})
  set(pc_libdir ${CMAKE_INSTALL_LIBDIR})
else()
  file(RELATIVE_PATH up /${pc_dir} /)
  string(REGEX REPLACE "/$" "" up "${up}")
  set(pc_prefix "\${pcfiledir}/${up}")
  set(pc_libdir "\${prefix}/${CMAKE_INSTALL_LIBDIR}")
endif()
if(IS_ABSOLUTE ${CMAKE_INSTALL_INCLUDEDIR})
  set(pc_includedir ${CMAKE_INSTALL_INCLUDEDIR})
else()
  set(pc_includedir "\${prefix}/${CMAKE_INSTALL_INCLUDEDIR}")
endif()
configure_file(gn.pc.in gn.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/gn.pc DESTINATION ${pc_dir})

if(NOT PROJECT_IS_TOP_LEVEL)
  return()
endif()
set(CPACK_PACKAGE_NAME libgroupnorm)
set(CPACK_PACKAGE_VENDOR "The libgroupnorm authors")
set(CPACK_PACKAGE_CONTACT "The libgroupnorm authors <libgroupnorm@invalid>")
set(CPACK_PACKAGING_INSTALL_PREFIX ${CMAKE_INSTALL_PREFIX})
set(CPACK_RESOURCE_FILE_LICENSE ${PROJECT_SOURCE_DIR}/LICENSE)
set(CPACK_STRIP_FILES ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION libdevel)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
include(CPack)
