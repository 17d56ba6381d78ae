# SPDX-License-Identifier: MIT
# cpack: a Debian package and a .tar.gz of what cmake --install installs, and with
# --config CPackSourceConfig.cmake an archive of the sources.

set(CPACK_PACKAGE_NAME libgroupnorm)
set(CPACK_PACKAGE_VENDOR "The libgroupnorm authors")
set(CPACK_PACKAGE_CONTACT "The libgroupnorm authors <libgroupnorm@invalid>")
set(CPACK_PACKAGING_INSTALL_PREFIX ${CMAKE_INSTALL_PREFIX})
set(CPACK_RESOURCE_FILE_LICENSE ${PROJECT_SOURCE_DIR}/LICENSE)
set(CPACK_STRIP_FILES ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION libdevel)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_SOURCE_GENERATOR TGZ)
set(CPACK_SOURCE_PACKAGE_FILE_NAME libgroupnorm-${PROJECT_VERSION})
set(CPACK_PROJECT_CONFIG_FILE ${PROJECT_SOURCE_DIR}/cmake/cpack.cmake)
include(CPack)
