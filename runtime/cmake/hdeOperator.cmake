# hde_add_operator(NAME source.c... [LINK library...])
# A plugin NAME.so in <build>/plugins, with the one exported symbol that the runtime looks for;
# `cmake --install` puts it into hde's plugin folder under the prefix.
function(hde_add_operator name)
  cmake_parse_arguments(arg "" "" "LINK" ${ARGN})
  add_library(${name} MODULE ${arg_UNPARSED_ARGUMENTS})
  target_link_libraries(${name} PRIVATE hde::hde ${arg_LINK})
  target_compile_features(${name} PRIVATE c_std_17)
  target_link_options(${name} PRIVATE -Wl,--build-id=sha1 -Wl,-z,noexecstack -Wl,-z,now)
  set_target_properties(${name} PROPERTIES PREFIX "" SUFFIX .so C_VISIBILITY_PRESET hidden
    LIBRARY_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/plugins)
  install(TARGETS ${name} LIBRARY DESTINATION ${HDE_PLUGIN_DESTINATION})
endfunction()

# hde_add_operator_test(NAME source.c... [LINK library...])
# A test program with the harness of hde/testing.h; it finds the plugins of this build and hde's.
function(hde_add_operator_test name)
  cmake_parse_arguments(arg "" "" "LINK" ${ARGN})
  add_executable(${name} ${arg_UNPARSED_ARGUMENTS})
  target_link_libraries(${name} PRIVATE hde::testing ${arg_LINK})
  target_compile_features(${name} PRIVATE c_std_17)
  add_test(NAME ${name} COMMAND ${name})
  set_tests_properties(${name} PROPERTIES TIMEOUT 60
    ENVIRONMENT HDE_PLUGIN_PATH=${CMAKE_BINARY_DIR}/plugins)
endfunction()
