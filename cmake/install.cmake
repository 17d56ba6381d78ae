# SPDX-License-Identifier: MIT
# cmake --install: the library, its header, gn.pc, the CMake package and the licence.

include(GNUInstallDirs)
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

# In a directory that is named after the package of Debian. CMAKE_INSTALL_DOCDIR may be that of a
# project that contains this one.
install(FILES LICENSE DESTINATION ${CMAKE_INSTALL_DATAROOTDIR}/doc/libgroupnorm)
