# How everything here is built: one language level, one set of warnings, one place for plugins.
# Layers are kept by include folders: a target sees only what hde_*() gives it.

if(NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
  set(CMAKE_BUILD_TYPE RelWithDebInfo CACHE STRING "" FORCE)
endif()

set(CMAKE_C_STANDARD 17)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_C_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_C_VISIBILITY_PRESET hidden)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/bin)
set(CMAKE_LIBRARY_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/lib)
set(CMAKE_ARCHIVE_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/lib)
set(HDE_PLUGIN_DIR ${PROJECT_BINARY_DIR}/lib/hde/plugins)
set(CMAKE_INSTALL_RPATH "$ORIGIN/../${CMAKE_INSTALL_LIBDIR}")

find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)
foreach(lib protobuf-c:libprotobuf-c yaml:yaml-0.1 zmq:libzmq sqlite:sqlite3 mhd:libmicrohttpd
            curl:libcurl jansson:jansson pq:libpq rdkafka:rdkafka hiredis:hiredis)
  string(REPLACE ":" ";" pair ${lib})
  list(GET pair 0 name)
  list(GET pair 1 module)
  pkg_check_modules(${name} REQUIRED IMPORTED_TARGET ${module})
endforeach()

add_library(hde_flags INTERFACE)
target_compile_definitions(hde_flags INTERFACE _GNU_SOURCE HDE_VERSION="${PROJECT_VERSION}")
target_compile_options(hde_flags INTERFACE
  -Wall -Wextra -Wpedantic -Wconversion -Wno-sign-conversion -Wshadow -Wstrict-prototypes
  -Wmissing-prototypes -Wvla -Wformat=2 -Wundef -Wwrite-strings
  -Wpointer-arith -Wno-unused-parameter -Wno-missing-field-initializers -fno-math-errno)
if(HDE_WERROR)
  target_compile_options(hde_flags INTERFACE -Werror)
endif()
# Builds of one commit give the same numbers: no contraction of a*b+c behind the author's back.
target_compile_options(hde_flags INTERFACE -ffp-contract=off)
if(HDE_SANITIZE)
  # -g1: reports name functions and lines, and that is all that one builds this for
  add_compile_options(-fsanitize=${HDE_SANITIZE} -fno-omit-frame-pointer -g1)
  add_link_options(-fsanitize=${HDE_SANITIZE})
  if(HDE_SANITIZE MATCHES undefined)
    add_compile_options(-fno-sanitize-recover=undefined)
  endif()
  if(CMAKE_C_COMPILER_ID MATCHES Clang)
    add_link_options(-shared-libsan)
  endif()
else()
  add_compile_options(-fstack-protector-strong)
  add_link_options(-Wl,-z,relro -Wl,-z,now -Wl,-z,noexecstack)
  if(CMAKE_BUILD_TYPE STREQUAL "Release" OR CMAKE_BUILD_TYPE STREQUAL "RelWithDebInfo")
    add_compile_definitions(_FORTIFY_SOURCE=2)
  endif()
endif()

# What a stranger's plugin sees: the public headers, the schemas, C.
add_library(hde_abi INTERFACE)
target_include_directories(hde_abi INTERFACE
  $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/runtime/include>
  $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
target_link_libraries(hde_abi INTERFACE hde_schemas PkgConfig::protobuf-c)

# hde_operator(FOLDER NAME [SOURCES ...] [LINK ...]): operators/FOLDER/NAME.c as plugin
# FOLDER-NAME.so
function(hde_operator folder name)
  cmake_parse_arguments(arg "" "" "SOURCES;LINK" ${ARGN})
  if(NOT arg_SOURCES)
    set(arg_SOURCES ${name}.c)
  endif()
  set(target plugin-${folder}-${name})
  add_library(${target} MODULE ${arg_SOURCES})
  target_link_libraries(${target} PRIVATE hde_flags hde_abi ${arg_LINK})
  set_target_properties(${target} PROPERTIES PREFIX "" OUTPUT_NAME ${folder}-${name}
    LIBRARY_OUTPUT_DIRECTORY ${HDE_PLUGIN_DIR}
    INSTALL_RPATH "$ORIGIN/../..")
  target_link_options(${target} PRIVATE -Wl,--build-id=sha1)
  install(TARGETS ${target} LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}/hde/plugins)
  set_property(GLOBAL APPEND PROPERTY HDE_PLUGINS ${target})
endfunction()

# hde_connector(NAME SOURCES ... [LINK ...]): static library with connectors/NAME/include
function(hde_connector name)
  cmake_parse_arguments(arg "" "" "SOURCES;LINK" ${ARGN})
  add_library(hde_connector_${name} STATIC ${arg_SOURCES})
  target_include_directories(hde_connector_${name} PUBLIC ${CMAKE_CURRENT_SOURCE_DIR}/include)
  target_link_libraries(hde_connector_${name} PRIVATE hde_flags PUBLIC hde_abi ${arg_LINK})
endfunction()

# hde_test(NAME SOURCES ... [LINK ...] [TIMEOUT s] [COST s] [LABELS ...]): a cmocka program that sees
# the runtime's insides and loads plugins. COST, for what takes more than some ten seconds: about how
# many. The longest begin first.
function(hde_test name)
  cmake_parse_arguments(arg "" "TIMEOUT;COST" "SOURCES;LINK;LABELS" ${ARGN})
  add_executable(${name} ${arg_SOURCES})
  target_link_libraries(${name} PRIVATE hde_flags hde_abi hde_core_objects ${arg_LINK} cmocka)
  target_include_directories(${name} PRIVATE ${PROJECT_SOURCE_DIR}/tests/support
    ${PROJECT_SOURCE_DIR}/runtime)
  target_compile_definitions(${name} PRIVATE HDE_SOURCE_DIR="${PROJECT_SOURCE_DIR}"
    HDE_BINARY_DIR="${PROJECT_BINARY_DIR}")
  set_target_properties(${name} PROPERTIES ENABLE_EXPORTS ON
    RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/tests)
  add_test(NAME ${name} COMMAND ${name})
  hde_test_environment(${name} "${arg_TIMEOUT}" "${arg_LABELS}")
  if(arg_COST)
    set_tests_properties(${name} PROPERTIES COST ${arg_COST})
  endif()
endfunction()

# hde_end_with_first_failure(): the tests of this folder that were declared so far have threads
function(hde_end_with_first_failure)
  get_property(tests DIRECTORY PROPERTY TESTS)
  foreach(test ${tests})
    target_sources(${test} PRIVATE ${PROJECT_SOURCE_DIR}/tests/support/first_failure.c)
  endforeach()
endfunction()

# hde_script_test(NAME SCRIPT [TIMEOUT s] [COST s] [LABELS ...]): a shell script; HDE_BIN, HDE_SOURCE
# and HDE_BUILD tell it where things are
function(hde_script_test name script)
  cmake_parse_arguments(arg "" "TIMEOUT;COST" "LABELS" ${ARGN})
  add_test(NAME ${name} COMMAND bash ${script})
  hde_test_environment(${name} "${arg_TIMEOUT}" "${arg_LABELS}")
  if(arg_COST)
    set_tests_properties(${name} PROPERTIES COST ${arg_COST})
  endif()
endfunction()

# intercept_tls_get_addr=0: LeakSanitizer and ThreadSanitizer keep what they learn of a plugin's
# thread-local storage when the plugin is unloaded, and crash on it later.
# A timeout of 0, or none: that of `ctest --timeout`, which campaigns raise.
function(hde_test_environment name timeout labels)
  set(environment
    HDE_PLUGIN_PATH=${HDE_PLUGIN_DIR}:${PROJECT_BINARY_DIR}/tests/plugins
    HDE_BIN=${PROJECT_BINARY_DIR}/bin HDE_SOURCE=${PROJECT_SOURCE_DIR}
    HDE_BUILD=${PROJECT_BINARY_DIR}
    UBSAN_OPTIONS=print_stacktrace=1
    ASAN_OPTIONS=detect_leaks=1:intercept_tls_get_addr=0
    TSAN_OPTIONS=halt_on_error=1:intercept_tls_get_addr=0:suppressions=${PROJECT_SOURCE_DIR}/tests/support/tsan.supp)
  set_tests_properties(${name} PROPERTIES ENVIRONMENT "${environment}" SKIP_RETURN_CODE 77)
  if(timeout AND HDE_SANITIZE)
    math(EXPR timeout "${timeout} * 4")
  endif()
  if(timeout)
    set_tests_properties(${name} PROPERTIES TIMEOUT ${timeout})
  endif()
  if(labels)
    set_tests_properties(${name} PROPERTIES LABELS "${labels}")
  endif()
endfunction()

# hde_program(NAME SOURCES ... [LINK ...]): a program of its own, found by `hde VERB` as hde-VERB
function(hde_program name)
  cmake_parse_arguments(arg "" "" "SOURCES;LINK" ${ARGN})
  add_executable(${name} ${arg_SOURCES})
  target_link_libraries(${name} PRIVATE hde_flags hde_abi ${arg_LINK})
  install(TARGETS ${name} RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
endfunction()
