# tests/e2e/*.test.mjs: the official MCP clients against the built program in front of real servers, one ctest entry a file.
# ./dev setup has put Node and the packages into tests/e2e/node_modules; without them the entries fail and say so.
file(GLOB files CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/tests/e2e/*.test.mjs)
foreach(file IN LISTS files)
  cmake_path(GET file STEM stem)   # "sdk_v1" of sdk_v1.test.mjs
  add_test(NAME e2e.${stem}
    COMMAND ${PROJECT_SOURCE_DIR}/tests/e2e/node_modules/.bin/node --test --test-reporter=spec ${file})
  set_tests_properties(e2e.${stem} PROPERTIES TIMEOUT 300 LABELS e2e
    ENVIRONMENT "LATTICEGATE_BINARY=$<TARGET_FILE:latticegate>")
endforeach()

# The README's first command, told and checked line by line.
add_test(NAME demo COMMAND ${PROJECT_SOURCE_DIR}/examples/quickstart/demo $<TARGET_FILE:latticegate>)
set_tests_properties(demo PROPERTIES TIMEOUT 120 LABELS e2e)
