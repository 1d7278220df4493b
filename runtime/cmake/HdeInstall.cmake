# What a prefix gets besides the program, the plugins and the graphs: headers, schemas, the CMake
# package for operators outside of this tree. The package works from the build tree too
# (-Dhde_DIR=<build>).
include(CMakePackageConfigHelpers)

install(DIRECTORY ${PROJECT_SOURCE_DIR}/runtime/include/ DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(DIRECTORY ${PROJECT_BINARY_DIR}/schemas/include/ DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}
  FILES_MATCHING PATTERN "*.h")
install(DIRECTORY ${PROJECT_SOURCE_DIR}/schemas/ DESTINATION ${CMAKE_INSTALL_DATADIR}/hde/schemas
  FILES_MATCHING PATTERN "*.proto")
install(DIRECTORY ${PROJECT_SOURCE_DIR}/examples/ DESTINATION ${CMAKE_INSTALL_DATADIR}/hde/examples)

set_target_properties(hde_abi PROPERTIES EXPORT_NAME hde)
set_target_properties(hde_schemas PROPERTIES EXPORT_NAME schemas)
set_target_properties(hde_testing PROPERTIES EXPORT_NAME testing INSTALL_RPATH "$ORIGIN")
install(TARGETS hde_abi hde_schemas hde_testing EXPORT hdeTargets
  LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})

set(package ${CMAKE_INSTALL_LIBDIR}/cmake/hde)
install(EXPORT hdeTargets NAMESPACE hde:: DESTINATION ${package})
export(EXPORT hdeTargets NAMESPACE hde:: FILE ${PROJECT_BINARY_DIR}/hdeTargets.cmake)
configure_package_config_file(${CMAKE_CURRENT_LIST_DIR}/hdeConfig.cmake.in
  ${PROJECT_BINARY_DIR}/hdeConfig.cmake INSTALL_DESTINATION ${package}
  NO_SET_AND_CHECK_MACRO)
write_basic_package_version_file(${PROJECT_BINARY_DIR}/hdeConfigVersion.cmake
  COMPATIBILITY SameMinorVersion)
configure_file(${CMAKE_CURRENT_LIST_DIR}/hdeOperator.cmake ${PROJECT_BINARY_DIR} COPYONLY)
install(FILES ${PROJECT_BINARY_DIR}/hdeConfig.cmake ${PROJECT_BINARY_DIR}/hdeConfigVersion.cmake
  ${PROJECT_BINARY_DIR}/hdeOperator.cmake DESTINATION ${package})

configure_file(${CMAKE_CURRENT_LIST_DIR}/hde.pc.in ${PROJECT_BINARY_DIR}/hde.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/hde.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
