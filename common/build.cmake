# The few functions every folder's CMakeLists.txt uses.

# Warnings and sanitizers for our own code only; what comes from packages is a system header.
add_library(shoal_flags INTERFACE)
target_include_directories(shoal_flags INTERFACE ${CMAKE_SOURCE_DIR})
# Results must not depend on the compiler's freedom: no contraction into fused operations.
target_compile_options(shoal_flags INTERFACE -Wall -Wextra -Werror -ffp-contract=off)
if(CMAKE_CXX_COMPILER_ID MATCHES "Clang")
  target_compile_options(shoal_flags INTERFACE -Wthread-safety)
endif()
# Sanitizers alone, for code that is generated for us and must be watched like our own.
add_library(shoal_sanitizer INTERFACE)
if(SHOAL_SANITIZER)
  target_compile_options(shoal_sanitizer INTERFACE -fsanitize=${SHOAL_SANITIZER}
    -fno-sanitize-recover=all -fno-omit-frame-pointer)
  target_link_options(shoal_sanitizer INTERFACE -fsanitize=${SHOAL_SANITIZER})
endif()
target_link_libraries(shoal_flags INTERFACE shoal_sanitizer)
if(SHOAL_FUZZ)
  # Coverage of our libraries; only a fuzz target links libFuzzer's main.
  target_compile_options(shoal_flags INTERFACE -fsanitize=fuzzer-no-link)
  target_link_options(shoal_flags INTERFACE -fsanitize=fuzzer-no-link)
endif()

# shoal_library(NAME [DEPS target...]): every .cc of the current folder.
function(shoal_library name)
  cmake_parse_arguments(ARG "" "" "DEPS" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*.cc)
  list(FILTER sources EXCLUDE REGEX "/main[^/]*\\.cc$")
  add_library(${name} STATIC ${sources})
  target_link_libraries(${name} PUBLIC ${ARG_DEPS} PRIVATE shoal_flags)
  target_include_directories(${name} PUBLIC ${CMAKE_SOURCE_DIR})
endfunction()

# shoal_program(NAME MAIN file.cc DEPS target...): a program in build/bin.
function(shoal_program name)
  cmake_parse_arguments(ARG "" "MAIN" "DEPS" ${ARGN})
  add_executable(${name} ${ARG_MAIN})
  target_link_libraries(${name} PRIVATE ${ARG_DEPS} shoal_flags)
  if(TARGET shoal_tsan_absl_mutex)
    target_link_libraries(${name} PRIVATE shoal_tsan_absl_mutex shoal_tsan_grpc)
  endif()
endfunction()

# Before a test's program: in a sanitizer build a report of it, or of any that it starts, fails the test.
set(SHOAL_TEST_WRAPPER)
if(SHOAL_SANITIZER)
  set(SHOAL_TEST_WRAPPER ${CMAKE_SOURCE_DIR}/tests/sanitizers/run.sh)
endif()

# shoal_timeout(TEST SECONDS): when CTest ends it; with a sanitizer everything takes longer.
function(shoal_timeout name seconds)
  if(SHOAL_SANITIZER)
    math(EXPR seconds "3 * ${seconds}")
  endif()
  set_tests_properties(${name} PROPERTIES TIMEOUT ${seconds})
endfunction()

# shoal_test(NAME SOURCES file... DEPS target...): one GoogleTest program, run by CTest from the
# repository root.
function(shoal_test name)
  cmake_parse_arguments(ARG "" "TIMEOUT" "SOURCES;DEPS" ${ARGN})
  if(NOT ARG_TIMEOUT)
    set(ARG_TIMEOUT 300)
  endif()
  add_executable(${name} ${ARG_SOURCES})
  target_link_libraries(${name} PRIVATE ${ARG_DEPS} GTest::gmock GTest::gtest_main shoal_flags)
  if(TARGET shoal_tsan_absl_mutex)
    target_link_libraries(${name} PRIVATE shoal_tsan_absl_mutex shoal_tsan_grpc)
  endif()
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
  add_test(NAME ${name} COMMAND ${SHOAL_TEST_WRAPPER} $<TARGET_FILE:${name}> WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
  shoal_timeout(${name} ${ARG_TIMEOUT})
endfunction()

# shoal_bench(NAME SOURCES file... DEPS target...): one Google Benchmark program in build/bench.
function(shoal_bench name)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPS" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  target_link_libraries(${name} PRIVATE ${ARG_DEPS} benchmark::benchmark benchmark::benchmark_main shoal_flags)
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bench)
endfunction()

# shoal_fuzz(NAME SOURCES file... DEPS target...): one libFuzzer program in build-fuzz/fuzz, built with
# the target `fuzz`.
function(shoal_fuzz name)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPS" ${ARGN})
  add_executable(${name} EXCLUDE_FROM_ALL ${ARG_SOURCES})
  target_link_libraries(${name} PRIVATE ${ARG_DEPS} shoal_flags)
  target_link_options(${name} PRIVATE -fsanitize=fuzzer)
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/fuzz)
  if(NOT TARGET fuzz)
    add_custom_target(fuzz)
  endif()
  add_dependencies(fuzz ${name})
endfunction()
