# examples/policies/<name>/: policies that the guide teaches, checked and run with their tests.
file(GLOB examples CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/examples/policies/*/tests.json)
foreach(file IN LISTS examples)
  cmake_path(GET file PARENT_PATH folder)
  cmake_path(GET folder FILENAME name)
  add_test(NAME example.${name} COMMAND latticegate policy test --directory ${folder} ${file} --entities ${folder}/entities.json)
  add_test(NAME example.${name}.check COMMAND latticegate policy check --directory ${folder})
  set_tests_properties(example.${name} example.${name}.check PROPERTIES TIMEOUT 60 LABELS scenario)
endforeach()
