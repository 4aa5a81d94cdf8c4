# The layers, enforced: a module's include path holds one link per module that it may use, so the headers
# of all others do not exist for it; and only modules declared earlier can be used, so there is no cycle.

# module(<name> [USES <module>...] [USES_INSIDE <module>...] [LINKS <library>...])
# One static library per folder src/<name>: *.h is the interface, *_test.cc the tests, other *.cc the body.
# USES is passed on to users of this module; USES_INSIDE is for what only its .cc files include.
function(module name)
  cmake_parse_arguments(arg "" "" "USES;USES_INSIDE;LINKS" ${ARGN})
  set(dir ${PROJECT_SOURCE_DIR}/src/${name})
  file(GLOB headers CONFIGURE_DEPENDS ${dir}/*.h)
  file(GLOB sources CONFIGURE_DEPENDS ${dir}/*.cc)
  set(tests ${sources})
  list(FILTER tests INCLUDE REGEX "_test\\.cc$")
  list(FILTER sources EXCLUDE REGEX "_test\\.cc$")
  set(view ${PROJECT_BINARY_DIR}/include/${name})
  file(MAKE_DIRECTORY ${view})
  file(CREATE_LINK ${dir} ${view}/${name} SYMBOLIC)
  add_library(${name} STATIC ${sources})
  set_target_properties(${name} PROPERTIES OUTPUT_NAME lg_${name})   # never a second libcrypto.a
  list(TRANSFORM headers REPLACE "^${dir}" "${view}/${name}")
  target_sources(${name} PUBLIC FILE_SET HEADERS BASE_DIRS ${view} FILES ${headers})
  foreach(used IN LISTS arg_USES arg_USES_INSIDE)
    if(NOT TARGET ${used})
      message(FATAL_ERROR "${name} may not use ${used}: it is not declared above it in CMakeLists.txt")
    endif()
  endforeach()
  target_link_libraries(${name} PUBLIC ${arg_USES} PRIVATE ${arg_USES_INSIDE} ${arg_LINKS} lg_flags)
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")   # the targets that compile each header alone do not have lg_flags
    target_compile_options(${name} INTERFACE
      "$<$<BOOL:$<FILTER:$<TARGET_PROPERTY:NAME>,INCLUDE,_verify_interface_header_sets$>>:-Wno-attributes=clang::>")
  endif()
  foreach(test IN LISTS tests)
    cmake_path(GET test STEM stem)
    add_executable(${name}.${stem} ${test})
    target_link_libraries(${name}.${stem} PRIVATE ${name} ${arg_USES_INSIDE} ${arg_LINKS} lg_flags lg_test_main)
    add_test(NAME ${name}.${stem} COMMAND ${name}.${stem})
    set_tests_properties(${name}.${stem} PROPERTIES TIMEOUT 300
      ENVIRONMENT "LATTICEGATE_SOURCE=${PROJECT_SOURCE_DIR};LATTICEGATE_SHARED_DATA=$ENV{LATTICEGATE_SHARED_DATA}")
  endforeach()
endfunction()

# program(<name> USES <module>... [LINKS <library>...]): apps/<name>/*.cc, placed at the top of the build folder.
function(program name)
  cmake_parse_arguments(arg "" "" "USES;LINKS" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/apps/${name}/*.cc)
  add_executable(${name} ${sources})
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR})
  target_link_libraries(${name} PRIVATE ${arg_USES} ${arg_LINKS} lg_flags)
endfunction()

# refused(<module>): each tests/refused/*.cc compiles as it stands and is refused with -DREFUSED,
# with the message that it names after "// expect: ".
function(refused module)
  file(GLOB files CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/tests/refused/*.cc)
  foreach(file IN LISTS files)
    cmake_path(GET file STEM stem)
    file(STRINGS ${file} line REGEX "// expect: ")
    string(REGEX REPLACE ".*// expect: " "" message "${line}")
    set(includes "-I$<JOIN:$<TARGET_PROPERTY:${module},INCLUDE_DIRECTORIES>,;-I>")
    set(compile ${CMAKE_CXX_COMPILER} -std=c++23 -fsyntax-only ${file})
    add_test(NAME refused.${stem}.control COMMAND ${compile} "${includes}" COMMAND_EXPAND_LISTS)
    add_test(NAME refused.${stem} COMMAND ${compile} -DREFUSED "${includes}" COMMAND_EXPAND_LISTS)
    set_tests_properties(refused.${stem} PROPERTIES PASS_REGULAR_EXPRESSION "${message}")
  endforeach()
endfunction()

# fuzz_target(<name> USES <module>...): fuzz/<name>_fuzz.cc. Under libFuzzer it is a fuzzer; otherwise it
# replays fuzz/corpus/<name>/ as an ordinary test.
function(fuzz_target name)
  cmake_parse_arguments(arg "" "" "USES;LINKS" ${ARGN})
  set(source ${PROJECT_SOURCE_DIR}/fuzz/${name}_fuzz.cc)
  if(LG_FUZZ)
    add_executable(fuzz.${name} ${source})
    target_link_options(fuzz.${name} PRIVATE -fsanitize=fuzzer)
  else()
    add_executable(fuzz.${name} ${source} ${PROJECT_SOURCE_DIR}/fuzz/replay.cc)
    add_test(NAME fuzz.${name} COMMAND fuzz.${name} ${PROJECT_SOURCE_DIR}/fuzz/corpus/${name})
  endif()
  target_link_libraries(fuzz.${name} PRIVATE ${arg_USES} ${arg_LINKS} lg_flags)
endfunction()
