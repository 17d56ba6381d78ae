# SPDX-License-Identifier: MIT
# Run by cpack before it makes a Debian package, which has its licence under another name.

file(GLOB_RECURSE licence ${CPACK_TEMPORARY_DIRECTORY}/LICENSE)
cmake_path(GET licence PARENT_PATH dir)
file(RENAME ${licence} ${dir}/copyright)
